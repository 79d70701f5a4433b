-- Tests of jwt.
local function token(claims, secret)
  local head = base64.encode(json.encode({ alg = "HS256" }), "base64url")
  local signed = head .. "." .. base64.encode(json.encode(claims), "base64url")
  return signed .. "." .. crypto.hmac("sha256", secret or "moon", signed, "base64url")
end

local function bearer(claims, secret)
  return { headers = { Authorization = "Bearer " .. token(claims, secret) } }
end

describe("jwt", function()
  it("lets signed tokens pass", function()
    local r = run("jwt", {
      options = { signingSecret = "moon", forwardHeaders = { ["X-User"] = "sub" } },
      request = bearer({ sub = "ann" }),
    })
    expect(r.status).to_be(200)
    expect(r.request.headers["X-User"]).to_be("ann")
    expect(r.user).to_be("ann")
  end)

  it("refuses others", function()
    local known = script("jwt", { options = { signingSecret = "moon" } })
    expect(known:send().headers["WWW-Authenticate"]).to_be("Bearer")
    expect(known:send(bearer({ sub = "ann" }, "sun")).status).to_be(401)
    expect(known:send(bearer({ exp = now() + 5 })).status).to_be(200)
    expect(known:send(bearer({ exp = now() - 5 })).status).to_be(401)
    expect(known:send(bearer({ nbf = now() + 5 })).status).to_be(401)
  end)

  it("fetches keys when they are due, and keeps them when they cannot be had", function()
    local key = { kty = "oct", k = base64.encode("moon", "base64url") }
    local answer, asked = json.encode({ keys = { key } }), 0
    local known = script("jwt", {
      options = { jwksUrl = "https://login.example/keys", refreshInterval = "1m" },
      fetch = function()
        asked = asked + 1
        return answer
      end,
    })
    expect(known:send(bearer({})).status).to_be(200)
    expect(known:send(bearer({})).status).to_be(200)
    expect(asked).to_be(1)
    answer = { status = 500 }
    advance("2m")
    expect(known:send(bearer({})).status).to_be(200)
    expect(asked).to_be(2)
  end)

  it("checks claims", function()
    local options = { signingSecret = "moon", requiredClaims = { ["realm.roles"] = { "admin" } } }
    local function status(claims)
      return run("jwt", { options = options, request = bearer(claims) }).status
    end
    expect(status({ realm = { roles = { "user", "admin" } } })).to_be(200)
    expect(status({ realm = { roles = { "user" } } })).to_be(403)
  end)
end)
