describe("circuitBreaker", function()
  it("stops requests while the expression holds, and recovers", function()
    local answer = 502
    local guarded = script("circuitBreaker", {
      options = { expression = "NetworkErrorRatio() > 0.5", checkPeriod = "1ms" },
      upstream = function() return answer end,
    })
    expect(guarded:send().status).to_be(502)
    local stopped = guarded:send()
    expect(stopped.status).to_be(503)
    expect(stopped.request).to_be_nil()
    answer = 200
    advance("11s")
    expect(guarded:send().status).to_be(503)
    advance("11s")
    expect(guarded:send().status).to_be(200)
  end)

  it("does not stop requests of a service that is well", function()
    local guarded = script("circuitBreaker", {
      options = { expression = "ResponseCodeRatio(500, 600, 0, 600) > 0.5" },
    })
    for _ = 1, 20 do
      expect(guarded:send().status).to_be(200)
      advance("50ms")
    end
  end)

  it("refuses a wrong expression", function()
    expect(function() script("circuitBreaker", { options = { expression = "Nothing() > 1" } }) end).to_fail()
  end)
end)
