-- Tests of forwardAuth.
describe("forwardAuth", function()
  local options = { address = "https://auth.example/check", authResponseHeaders = { "X-User" } }

  it("lets a request pass with headers of the answer", function()
    local r = run("forwardAuth", {
      options = options,
      request = {
        method = "POST", url = "https://a.example/x?y", headers = { ["X-User"] = "liar" },
      },
      fetch = {
        ["https://auth.example/check"] = { status = 200, headers = { ["X-User"] = "anna" } },
      },
    })
    expect(r.status).to_be(200)
    expect(r.request.headers["X-User"]).to_be("anna")
    local asked = r.fetched[1]
    expect(asked.method).to_be("GET")
  end)

  it("tells the server what was asked for", function()
    local told
    run("forwardAuth", {
      options = options,
      request = { method = "POST", url = "https://a.example/x?y" },
      fetch = function(req)
        told = req.headers
        return 200
      end,
    })
    expect(told["X-Forwarded-Method"]).to_be("POST")
    expect(told["X-Forwarded-Uri"]).to_be("/x?y")
    expect(told["X-Forwarded-Proto"]).to_be("https")
    expect(told["X-Forwarded-For"]).to_be("192.0.2.1")
  end)

  it("answers what the server says otherwise", function()
    local r = run("forwardAuth", {
      options = options, fetch = { ["*"] = { status = 403, body = "no" } },
    })
    expect(r.status).to_be(403)
    expect(r.body).to_be("no")
    expect(r.request).to_be_nil()
  end)

  it("answers 500 when the server does not answer, and says so in the log", function()
    local auth = script("forwardAuth", {
      options = options, fetch = { ["*"] = { failure = "refused" } },
    })
    expect(auth:send().status).to_be(500)
    expect(auth:logs()[1].level).to_be("error")
  end)

  it("sends clients to sign in", function()
    local r = run("forwardAuth", {
      options = { address = "https://auth.example/", authSigninURL = "https://sign.example/in" },
      fetch = { ["*"] = 401 },
    })
    expect(r.status).to_be(302)
    expect(r.headers["Location"]).to_be("https://sign.example/in")
  end)

  -- What the server is told of a request that comes through another proxy.
  local function told(more)
    local options = { address = "https://auth.example/check" }
    for name, value in pairs(more) do options[name] = value end
    local headers
    run("forwardAuth", {
      options = options,
      request = {
        url = "http://a.example/x",
        headers = {
          ["X-Forwarded-For"] = "203.0.113.7", ["X-Forwarded-Host"] = "outer.example",
          Accept = "*/*",
        },
      },
      fetch = function(req)
        headers = req.headers
        return 200
      end,
    })
    return headers
  end

  it("trusts other proxies as it is told", function()
    local trusting = told({ trustForwardHeader = true })
    expect(trusting["X-Forwarded-For"]).to_be("203.0.113.7, 192.0.2.1")
    expect(trusting["X-Forwarded-Host"]).to_be("outer.example")
    expect(trusting["X-Forwarded-Port"]).to_be("80")
    local distrusting = told({ trustForwardHeader = false })
    expect(distrusting["X-Forwarded-For"]).to_be("192.0.2.1")
    expect(distrusting["X-Forwarded-Host"]).to_be("a.example")
  end)

  it("tells the named headers alone", function()
    local headers = told({ authRequestHeaders = { "accept" } })
    expect(headers["Accept"]).to_be("*/*")
    expect(headers["X-Forwarded-Method"]).to_be("GET")
    expect(told({ authRequestHeaders = { "cookie" } })["Accept"]).to_be_nil()
  end)

  it("takes headers over whose names match", function()
    local r = run("forwardAuth", {
      options = { address = "https://auth.example/", authResponseHeadersRegex = "^X-Auth-" },
      request = {
        url = "http://a.example/", headers = { ["X-Auth-Role"] = "king", Accept = "*/*" },
      },
      fetch = {
        ["*"] = { status = 200, headers = { ["X-Auth-User"] = "anna", ["X-Other"] = "1" } },
      },
    })
    expect(r.request.headers["X-Auth-User"]).to_be("anna")
    expect(r.request.headers["X-Auth-Role"]).to_be_nil()
    expect(r.request.headers["X-Other"]).to_be_nil()
    expect(r.request.headers["Accept"]).to_be("*/*")
  end)

  it("gives the client cookies of the server in the place of the service's", function()
    local r = run("forwardAuth", {
      options = { address = "https://auth.example/", addAuthCookiesToResponse = { "session" } },
      fetch = {
        ["*"] = { status = 200, headers = { ["Set-Cookie"] = { "session=new", "own=1" } } },
      },
      upstream = { status = 200, headers = { ["Set-Cookie"] = { "session=old", "cart=2" } } },
    })
    expect(table.concat(r.headers:all("Set-Cookie"), "; ")).to_be("cart=2; session=new")
  end)

  it("makes Location absolute unless it is told not to", function()
    local function location(preserve)
      return run("forwardAuth", {
        options = { address = "https://auth.example/check", preserveLocationHeader = preserve },
        fetch = { ["*"] = { status = 302, headers = { Location = "/login" } } },
      }).headers["Location"]
    end
    expect(location(false)).to_be("https://auth.example/login")
    expect(location(true)).to_be("/login")
  end)

  it("refuses what is larger than it may be", function()
    local r = run("forwardAuth", {
      options = { address = "https://auth.example/", maxResponseBodySize = 4 },
      fetch = { ["*"] = { status = 200, body = "too long" } },
    })
    expect(r.status).to_be(401)
  end)

  it("remembers a yes for a while, but not for other clients", function()
    local asked = 0
    local auth = script("forwardAuth", {
      options = {
        address = "https://auth.example/", cacheTTL = "10s", authResponseHeaders = { "X-User" },
      },
      fetch = function()
        asked = asked + 1
        return { status = 200, headers = { ["X-User"] = "anna" } }
      end,
    })
    local function send(authorization, path)
      return auth:send({
        url = "http://a.example" .. path, headers = { Authorization = authorization },
      })
    end
    send("one", "/")
    expect(send("one", "/").request.headers["X-User"]).to_be("anna")
    expect(asked).to_be(1)
    send("two", "/")
    send("one", "/other")
    expect(asked).to_be(3)
    advance("11s")
    send("one", "/")
    expect(asked).to_be(4)
  end)

  it("notes the user for the access log", function()
    local r = run("forwardAuth", {
      options = { address = "https://auth.example/", headerField = "X-User" },
      fetch = { ["*"] = { status = 200, headers = { ["X-User"] = "anna" } } },
    })
    expect(r.user).to_be("anna")
  end)
end)
