describe("redirectScheme", function()
  local function to(options, request)
    local r = run("redirectScheme", { options = options, request = request })
    return r.status, r.headers["Location"]
  end

  it("redirects to the scheme", function()
    local status, location = to({ scheme = "https" }, "GET http://a.example/x?y=1")
    expect(status).to_be(302)
    expect(location).to_be("https://a.example/x?y=1")
  end)

  it("keeps the method of other requests", function()
    expect((to({ scheme = "https" }, "POST http://a.example/"))).to_be(307)
    expect((to({ scheme = "https", permanent = true }, "POST http://a.example/"))).to_be(308)
    expect((to({ scheme = "https", permanent = true }, "GET http://a.example/"))).to_be(301)
    local forced = { scheme = "https", forcePermanentRedirect = true }
    expect((to(forced, "GET http://a.example/"))).to_be(308)
  end)

  it("names a port that is not the scheme's own", function()
    local _, location = to({ scheme = "https", port = "8443" }, "GET http://a.example/")
    expect(location).to_be("https://a.example:8443/")
    _, location = to({ scheme = "https", port = "443" }, "GET http://a.example/")
    expect(location).to_be("https://a.example/")
  end)

  it("lets a request pass that is there already", function()
    expect((to({ scheme = "https" }, "GET https://a.example/x"))).to_be(200)
  end)
end)

bench("redirectScheme", "redirectScheme", {
  options = { scheme = "https" }, request = "GET http://a.example/x",
})
