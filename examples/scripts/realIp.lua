-- Takes the client's address from a header, such as that of a content network, but only when the
-- connection comes from there.
return {
  schema = {
    header = { type = "string", default = "CF-Connecting-IP", doc = "The header with the address." },
    networks = { type = "list", of = "cidr", required = true, doc = "Who may say it." },
  },

  setup = function(options)
    return ip.set(options.networks)
  end,

  request = function(req, ctx)
    local said = req.headers:get(ctx.options.header)
    if said and ctx.state:contains(req.remote_ip) then
      req.headers["X-Real-Ip"] = said
      req.headers["X-Forwarded-For"] = said
    else
      req.headers[ctx.options.header] = nil
      req.headers["X-Real-Ip"] = req.remote_ip
    end
  end,
}
