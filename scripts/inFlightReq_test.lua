describe("inFlightReq", function()
  it("lets so many requests be under way", function()
    local limited = script("inFlightReq", { options = { amount = 1 } })
    expect(limited:send().status).to_be(200)
    -- The first one has ended.
    expect(limited:send().status).to_be(200)
  end)

  it("refuses more", function()
    local r = run("inFlightReq", { options = { amount = 0 } })
    expect(r.status).to_be(429)
    expect(r.body).to_be("max connections reached: 0")
  end)

  it("counts while a request is answered", function()
    local limited
    local inner
    limited = script("inFlightReq", {
      options = { amount = 1 },
      upstream = function()
        if not inner then
          inner = limited:send()
          return 201
        end
        return 200
      end,
    })
    expect(limited:send().status).to_be(201)
    expect(inner.status).to_be(429)
  end)
end)
