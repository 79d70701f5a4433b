describe("digestAuth", function()
  local ha1 = crypto.md5("anna:traefik:test", "hex")

  local function guarded()
    return script("digestAuth", { options = { users = { "anna:traefik:" .. ha1 } } })
  end

  local function proof(challenge, password, count)
    local nonce = challenge:match('nonce="([^"]+)"')
    local opaque = challenge:match('opaque="([^"]+)"')
    local own = crypto.md5("anna:traefik:" .. password, "hex")
    local ha2 = crypto.md5("GET:/x", "hex")
    local parts = { own, nonce, count, "c", "auth", ha2 }
    return string.format(
      'Digest username="anna", realm="traefik", nonce="%s", uri="/x", qop=auth, nc=%s, cnonce="c", '
        .. 'response="%s", opaque="%s"',
      nonce, count, crypto.md5(table.concat(parts, ":"), "hex"), opaque
    )
  end

  it("asks for a proof and lets a right one pass, once", function()
    local auth = guarded()
    local asked = auth:send("GET /x")
    expect(asked.status).to_be(401)
    local challenge = asked.headers["WWW-Authenticate"]
    local right = { url = "/x", headers = { Authorization = proof(challenge, "test", "00000001") } }
    expect(auth:send(right).status).to_be(200)
    local again = auth:send(right)
    expect(again.status).to_be(401)
    expect(again.headers["WWW-Authenticate"]).to_contain("stale=true")
  end)

  it("refuses a wrong password and an old nonce", function()
    local auth = guarded()
    local challenge = auth:send("GET /x").headers["WWW-Authenticate"]
    local wrong = { url = "/x", headers = { Authorization = proof(challenge, "no", "00000001") } }
    expect(auth:send(wrong).status).to_be(401)
    advance("10m")
    local old = { url = "/x", headers = { Authorization = proof(challenge, "test", "00000001") } }
    expect(auth:send(old).headers["WWW-Authenticate"]).to_contain("stale=true")
  end)
end)
