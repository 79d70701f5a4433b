describe("bearerToken", function()
  local function plain(bytes) return base64.encode(bytes, "base64url") end

  local function token(claims, secret, algorithm)
    local text = plain(json.encode({ alg = algorithm or "HS256" })) .. "." .. plain(json.encode(claims))
    return text .. "." .. crypto.hmac("sha256", secret or "s3cret", text, "base64url")
  end

  local function ask(text)
    return run("bearerToken", {
      options = { secret = "s3cret", issuer = "us" },
      request = { headers = { Authorization = text and "Bearer " .. text, ["X-User"] = "root" } },
    })
  end

  it("lets a good token pass", function()
    local r = ask(token({ sub = "anna", iss = "us", exp = now() + 60 }))
    expect(r.status).to_be(200)
    expect(r.request.headers["X-User"]).to_be("anna")
    expect(r.user).to_be("anna")
  end)

  it("refuses all others", function()
    local good = { sub = "anna", iss = "us" }
    for why, text in pairs({
      ["no token"] = false,
      ["a wrong signature"] = token(good, "guess"),
      ["an unknown signature"] = token(good, nil, "none"),
      ["not its time"] = token({ sub = "anna", iss = "us", exp = now() - 1 }),
      ["not ours"] = token({ sub = "anna", iss = "them" }),
    }) do
      local r = ask(text or nil)
      expect(r.status).to_be(401)
      expect(r.body).to_be(why .. "\n")
    end
  end)
end)
