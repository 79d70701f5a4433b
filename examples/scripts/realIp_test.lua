describe("realIp", function()
  local options = { networks = { "173.245.48.0/20" } }
  local headers = { ["CF-Connecting-IP"] = "203.0.113.9", ["X-Forwarded-For"] = "6.6.6.6" }

  it("believes the content network", function()
    local r = run("realIp", { options = options, request = { peer = "173.245.48.1", headers = headers } })
    expect(r.request.headers["X-Real-Ip"]).to_be("203.0.113.9")
    expect(r.request.headers["X-Forwarded-For"]).to_be("203.0.113.9")
  end)

  it("believes nobody else", function()
    local r = run("realIp", { options = options, request = { peer = "198.51.100.1", headers = headers } })
    expect(r.request.headers["X-Real-Ip"]).to_be("198.51.100.1")
    expect(r.request.headers["CF-Connecting-IP"]).to_be_nil()
  end)
end)
