-- Serves links that were signed for a time: /file?expires=SECONDS&signature=… A link's signature is
-- hmac(sha256, secret, PATH .. "\n" .. EXPIRES) as base64url.
return {
  schema = {
    secret = { type = "secret", required = true, doc = "What links are signed with." },
  },

  setup = function(options)
    return crypto.hmac_key("sha256", options.secret)
  end,

  request = function(req, ctx)
    local query = url.parse_query(req.query or "")
    local expires, signature = (query.expires or {})[1], (query.signature or {})[1]
    if not expires or not signature then return respond(403, "this link is not signed\n") end
    local right = ctx.state:sign(req.path .. "\n" .. expires, "base64url")
    if not crypto.equal(right, signature) then return respond(403, "this link is not ours\n") end
    if os.time() > (tonumber(expires) or 0) then return respond(410, "this link is too old\n") end
    req.query = nil
  end,
}
