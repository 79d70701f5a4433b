describe("forwardAuth", function()
  local options = { address = "https://auth.example/check", authResponseHeaders = { "X-User" } }

  it("lets a request pass with headers of the answer", function()
    local r = run("forwardAuth", {
      options = options,
      request = { method = "POST", url = "https://a.example/x?y", headers = { ["X-User"] = "liar" } },
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
    local r = run("forwardAuth", { options = options, fetch = { ["*"] = { status = 403, body = "no" } } })
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
end)
