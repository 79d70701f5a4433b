-- Tests of oidc.
describe("oidc", function()
  local options = {
    issuer = "https://login.example", clientID = "shop", session = { secret = "0123456789" },
  }
  local provider = json.encode({
    issuer = "https://login.example", jwks_uri = "https://login.example/keys",
    authorization_endpoint = "https://login.example/authorize",
    token_endpoint = "https://login.example/token",
  })
  local page = { method = "GET", url = "https://a.example/x?y", headers = { Accept = "text/html" } }

  it("sends clients to the provider", function()
    local r = run("oidc", {
      options = options, request = page,
      fetch = { ["https://login.example/.well-known/openid-configuration"] = provider },
    })
    expect(r.status).to_be(302)
    local asked = url.parse_query(r.headers["Location"]:match("%?(.*)$"))
    expect(asked.client_id[1]).to_be("shop")
    expect(asked.redirect_uri[1]).to_be("https://a.example/oidc/callback")
    expect(asked.code_challenge_method[1]).to_be("S256")
    expect(r.headers["Set-Cookie"]).to_contain("Secure")
  end)

  it("answers scripts with 401 and says when the provider is away", function()
    local login = script("oidc", { options = options, fetch = { ["*"] = { failure = "refused" } } })
    expect(login:send("POST https://a.example/x").status).to_be(401)
    expect(login:send(page).status).to_be(503)
  end)

  it("takes no login that was not begun here", function()
    local r = run("oidc", {
      options = options, request = "GET https://a.example/oidc/callback?code=c&state=s",
    })
    expect(r.status).to_be(400)
  end)

  it("believes no provider that calls itself otherwise", function()
    local other = provider:gsub('"https://login.example"', '"https://else.example"')
    local r = run("oidc", { options = options, request = page, fetch = { ["*"] = other } })
    expect(r.status).to_be(503)
  end)
end)
