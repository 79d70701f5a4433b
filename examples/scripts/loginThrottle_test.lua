describe("loginThrottle", function()
  it("stops clients that guess, for a while", function()
    local answer = 401
    local site = script("loginThrottle", {
      options = { failures = 2, window = "10m" }, upstream = function() return answer end,
    })
    local login = { method = "POST", url = "/login" }
    expect(site:send(login).status).to_be(401)
    expect(site:send(login).status).to_be(401)
    local r = site:send(login)
    expect(r.status).to_be(429)
    expect(tonumber(r.headers["Retry-After"])).to_be_above(590)
    expect(site:send({ method = "POST", url = "/login", peer = "192.0.2.9" }).status).to_be(401)
    expect(site:send("GET /").status).to_be(401)
    advance("11m")
    answer = 200
    expect(site:send(login).status).to_be(200)
  end)
end)
