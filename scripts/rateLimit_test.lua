describe("rateLimit", function()
  it("lets so many pass, refuses more, and lets pass again later", function()
    local limited = script("rateLimit", { options = { average = 1, period = "1s", burst = 2 } })
    expect(limited:send().status).to_be(200)
    expect(limited:send().status).to_be(200)
    local refused = limited:send()
    expect(refused.status).to_be(429)
    expect(refused.headers["Retry-After"]).to_be("1")
    advance("1s")
    expect(limited:send().status).to_be(200)
  end)

  it("waits for a token that is about to come", function()
    local limited = script("rateLimit", { options = { average = 100, burst = 1 } })
    limited:send()
    advance("6ms")
    local r = limited:send()
    expect(r.status).to_be(200)
    expect(r.took).to_be_above(0.003)
  end)

  it("counts each source by itself", function()
    local limited = script("rateLimit", {
      options = { average = 1, period = "1m", sourceCriterion = { requestHeaderName = "X-User" } },
    })
    local function status(user)
      return limited:send({ headers = { ["X-User"] = user } }).status
    end
    expect(status("a")).to_be(200)
    expect(status("a")).to_be(429)
    expect(status("b")).to_be(200)
  end)

  it("refuses two criteria", function()
    local both = { requestHost = true, requestHeaderName = "X" }
    expect(function()
      script("rateLimit", { options = { average = 1, sourceCriterion = both } })
    end).to_fail("only one of")
  end)
end)

bench("rateLimit", "rateLimit", { options = { average = 1000000000, burst = 1000000 } })
