describe("cachedAuth", function()
  local options = { address = "https://auth.example/", ttl = "30s" }

  it("asks once, and again when the time is over", function()
    local asked = 0
    local auth = script("cachedAuth", {
      options = options,
      fetch = function(req)
        asked = asked + 1
        return { status = 200, headers = { ["X-User"] = "anna" } }
      end,
    })
    local request = { headers = { Authorization = "Bearer x" } }
    for _ = 1, 3 do expect(auth:send(request).request.headers["X-User"]).to_be("anna") end
    expect(asked).to_be(1)
    advance("31s")
    auth:send(request)
    expect(asked).to_be(2)
  end)

  it("remembers a no, and asks nobody without a token", function()
    local auth = script("cachedAuth", { options = options, fetch = { ["*"] = 401 } })
    expect(auth:send({ headers = { Authorization = "x" } }).status).to_be(403)
    expect(#auth:send({ headers = { Authorization = "x" } }).fetched).to_be(0)
    expect(auth:send().status).to_be(401)
  end)

  it("says when there is nobody to ask", function()
    local auth = script("cachedAuth", { options = options, fetch = { ["*"] = { delay = "3s" } } })
    expect(auth:send({ headers = { Authorization = "x" } }).status).to_be(503)
    expect(auth:logs()[1].message).to_be("nobody to ask")
  end)
end)
