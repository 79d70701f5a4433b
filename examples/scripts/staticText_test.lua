describe("staticText", function()
  local site = { options = { files = { ["/robots.txt"] = "User-agent: *\nDisallow: /\n" } } }

  it("answers its paths", function()
    local r = script("staticText", site):send("GET /robots.txt")
    expect(r.body).to_contain("Disallow")
    expect(r.headers["Cache-Control"]).to_be("public, max-age=3600")
    expect(r.request).to_be_nil()
  end)

  it("leaves others, and refuses other methods", function()
    expect(script("staticText", site):send("GET /x").request.path).to_be("/x")
    expect(script("staticText", site):send("POST /robots.txt").status).to_be(405)
  end)
end)
