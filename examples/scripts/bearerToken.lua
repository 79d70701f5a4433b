-- Lets requests pass with a token that we have signed ourselves (JWT, HS256), and tells the server
-- whose it is.
local function decoded(part)
  local text = base64.decode(part, "base64url")
  return text and json.decode(text)
end

return {
  schema = {
    secret = { type = "secret", required = true, doc = "What tokens are signed with." },
    issuer = { type = "string", default = "", doc = "Who must have made the token; empty for anyone." },
  },

  setup = function(options)
    return crypto.hmac_key("sha256", options.secret)
  end,

  request = function(req, ctx)
    local function refuse(why)
      return respond(401, why .. "\n", { ["WWW-Authenticate"] = "Bearer" })
    end
    local token = (req.headers["Authorization"] or ""):match("^[Bb]earer +(%S+)$")
    local head, body, signature = (token or ""):match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
    if not head then return refuse("no token") end
    local declared = decoded(head)
    if not declared or declared.alg ~= "HS256" then return refuse("an unknown signature") end
    if not crypto.equal(ctx.state:sign(head .. "." .. body, "base64url"), signature) then
      return refuse("a wrong signature")
    end
    local claims = decoded(body)
    local now = os.time()
    if not claims or (claims.exp and now >= claims.exp) or (claims.nbf and now < claims.nbf) then
      return refuse("not its time")
    end
    if ctx.options.issuer ~= "" and claims.iss ~= ctx.options.issuer then return refuse("not ours") end
    req.user = claims.sub
    req.headers["X-User"] = claims.sub
  end,
}
