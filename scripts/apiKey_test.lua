describe("apiKey", function()
  local keys = { anna = "secret-a", bert = "secret-b" }

  it("lets a known key of the header pass and names its holder", function()
    local r = run("apiKey", {
      options = { keys = keys, headerField = "X-User", removeKey = true },
      request = { url = "/", headers = { ["X-API-Key"] = "secret-b" } },
    })
    expect(r.status).to_be(200)
    expect(r.user).to_be("bert")
    expect(r.request.headers["X-User"]).to_be("bert")
    expect(r.request.headers["X-API-Key"]).to_be_nil()
  end)

  it("refuses unknown keys and none", function()
    expect(run("apiKey", { options = { keys = keys } }).status).to_be(401)
    local request = { headers = { ["X-API-Key"] = "secret" } }
    expect(run("apiKey", { options = { keys = keys }, request = request }).status).to_be(401)
  end)

  it("reads query and cookie, and removes the key from both", function()
    local options = { keys = keys, query = "key", cookie = "key", removeKey = true }
    local r = run("apiKey", { options = options, request = "GET /?a=1&key=secret-a&b=2" })
    expect(r.status).to_be(200)
    expect(r.request.query).to_be("a=1&b=2")
    r = run("apiKey", {
      options = options, request = { headers = { Cookie = "x=1; key=secret-a; y=2" } },
    })
    expect(r.status).to_be(200)
    expect(r.request.headers["Cookie"]).to_be("x=1; y=2")
  end)

  it("asks for the scheme it is told", function()
    local options = { keys = keys, header = "Authorization", headerAuthScheme = "Bearer" }
    local r = run("apiKey", { options = options })
    expect(r.headers["WWW-Authenticate"]).to_be("Bearer")
    local request = { headers = { Authorization = "bearer secret-a" } }
    expect(run("apiKey", { options = options, request = request }).status).to_be(200)
  end)

  it("refuses empty keys", function()
    expect(function() run("apiKey", { options = { keys = { a = "" } } }) end).to_fail("is empty")
  end)
end)
