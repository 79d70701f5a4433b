describe("headers", function()
  it("adds and removes headers of both directions", function()
    local r = run("headers", {
      options = {
        customRequestHeaders = { ["X-A"] = "1", ["X-B"] = "" },
        customResponseHeaders = { ["X-C"] = "2", Server = "" },
      },
      request = { headers = { ["X-B"] = "gone" } },
      upstream = { headers = { Server = "nginx" } },
    })
    expect(r.request.headers["X-A"]).to_be("1")
    expect(r.request.headers["X-B"]).to_be_nil()
    expect(r.headers["X-C"]).to_be("2")
    expect(r.headers["Server"]).to_be_nil()
  end)

  it("adds the headers that tell browsers to be careful", function()
    local options = {
      frameDeny = true, contentTypeNosniff = true, stsSeconds = 60, stsIncludeSubdomains = true,
      referrerPolicy = "no-referrer",
    }
    local plain = run("headers", { options = options, request = "GET http://a.example/" })
    expect(plain.headers["X-Frame-Options"]).to_be("DENY")
    expect(plain.headers["X-Content-Type-Options"]).to_be("nosniff")
    expect(plain.headers["Referrer-Policy"]).to_be("no-referrer")
    expect(plain.headers["Strict-Transport-Security"]).to_be_nil()
    local secure = run("headers", { options = options, request = "GET https://a.example/" })
    expect(secure.headers["Strict-Transport-Security"]).to_be("max-age=60; includeSubDomains")
  end)

  it("answers preflights and allows origins", function()
    local cors = script("headers", {
      options = {
        accessControlAllowMethods = { "GET", "PUT" }, accessControlMaxAge = 100,
        accessControlAllowOriginList = { "https://a.example" }, addVaryHeader = true,
      },
    })
    local preflight = cors:send({
      method = "OPTIONS",
      headers = { Origin = "https://a.example", ["Access-Control-Request-Method"] = "PUT" },
    })
    expect(preflight.status).to_be(200)
    expect(preflight.request).to_be_nil()
    expect(preflight.headers["Access-Control-Allow-Methods"]).to_be("GET,PUT")
    expect(preflight.headers["Access-Control-Allow-Origin"]).to_be("https://a.example")
    local simple = cors:send({ headers = { Origin = "https://a.example" } })
    expect(simple.headers["Access-Control-Allow-Origin"]).to_be("https://a.example")
    expect(simple.headers["Vary"]).to_be("Origin")
    local other = cors:send({ headers = { Origin = "https://b.example" } })
    expect(other.headers["Access-Control-Allow-Origin"]).to_be_nil()
  end)

  it("serves allowed hosts only", function()
    local hosts = script("headers", { options = { allowedHosts = { "a.example" } } })
    expect(hosts:send("GET http://a.example/").status).to_be(200)
    expect(hosts:send("GET http://b.example/").status).to_be(500)
  end)

  it("needs an option", function()
    expect(function() script("headers", { options = { frameDeny = false } }) end).to_fail("no option")
  end)
end)

bench("headers, three of each", "headers", {
  options = {
    customRequestHeaders = { ["X-A"] = "1", ["X-B"] = "2", ["X-C"] = "3" },
    customResponseHeaders = { ["X-D"] = "1", ["X-E"] = "2", ["X-F"] = "3" },
  },
})
