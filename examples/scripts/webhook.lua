-- Lets webhooks pass whose bodies are signed with our secret, as GitHub does it.
return {
  schema = {
    secret = { type = "secret", required = true, doc = "The webhook's secret." },
    header = { type = "string", default = "X-Hub-Signature-256", doc = "The header with the signature." },
  },

  setup = function(options)
    return crypto.hmac_key("sha256", options.secret)
  end,

  request = function(req, ctx)
    local sent = req.headers:get(ctx.options.header)
    if req.method ~= "POST" or not sent then return respond(403) end
    local body = req:body()
    if not crypto.equal("sha256=" .. ctx.state:sign(body, "hex"), sent) then return respond(403) end
    req:replace(body)
  end,
}
