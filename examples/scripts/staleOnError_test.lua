describe("staleOnError", function()
  it("gives the last good answer when the server fails", function()
    local answer = { body = "good", headers = { ["Content-Type"] = "text/plain" } }
    local site = script("staleOnError", { upstream = function() return answer end })
    expect(site:send("GET /x").body).to_be("good")
    answer = 503
    local r = site:send("GET /x")
    expect(r.status).to_be(200)
    expect(r.body).to_be("good")
    expect(r.headers["Content-Type"]).to_be("text/plain")
    expect(site:send("GET /y").status).to_be(503)
    advance("25h")
    expect(site:send("GET /x").status).to_be(503)
  end)

  it("keeps nobody's own pages", function()
    local answer = "private"
    local site = script("staleOnError", { upstream = function() return answer end })
    local request = { url = "/x", headers = { Cookie = "user=anna" } }
    site:send(request)
    answer = 503
    expect(site:send("GET /x").status).to_be(503)
  end)
end)
