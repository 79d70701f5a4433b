describe("basicAuth", function()
  -- SHA-1 of "test".
  local options = { users = { "anna:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=" }, headerField = "X-User" }

  local function ask(pair, more)
    local all = table.clone(options)
    for name, value in pairs(more or {}) do all[name] = value end
    local headers = pair and { Authorization = "Basic " .. base64.encode(pair) } or {}
    return run("basicAuth", { options = all, request = { headers = headers } })
  end

  it("lets a known user pass", function()
    local r = ask("anna:test")
    expect(r.status).to_be(200)
    expect(r.request.headers["X-User"]).to_be("anna")
    expect(r.user).to_be("anna")
  end)

  it("asks all others", function()
    for _, pair in ipairs({ "anna:wrong", "bert:test", "anna" }) do
      expect(ask(pair).status).to_be(401)
    end
    local r = ask(nil, { realm = 'a "b"' })
    expect(r.status).to_be(401)
    expect(r.headers["WWW-Authenticate"]).to_be('Basic realm="a \\"b\\""')
  end)

  it("keeps the password from the server when it is told so", function()
    expect(ask("anna:test").request.headers["Authorization"]).to_exist()
    expect(ask("anna:test", { removeHeader = true }).request.headers["Authorization"]).to_be_nil()
  end)

  it("refuses lines that are none", function()
    expect(function() ask("a:b", { users = { "nobody" } }) end).to_fail("name:hash")
  end)
end)
