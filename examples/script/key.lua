-- Lets requests in that carry a known key, and signs them for the server behind.

return {
  schema = {
    keys = { type = "list", of = "string", required = true },
    header = { type = "string", default = "X-Key" },
    secret = { type = "secret", required = true },
  },

  request = function(req, ctx)
    local options = ctx.options
    local given = req.headers[options.header]
    if not given then
      return respond(401, "a key is needed\n")
    end
    for _, key in ipairs(options.keys) do
      if key == given then
        local text = req.method .. " " .. req.path
        req.headers["X-Signature"] = crypto.hmac("sha256", options.secret, text, "base64url")
        return
      end
    end
    return respond(403, "the key is not known\n")
  end,

  response = function(res)
    res.headers["X-Checked"] = "key"
  end,
}
