-- Answers everything with a page while the site is being worked on. Who works on it, by network or
-- with a cookie, sees the site itself.
return {
  schema = {
    on = { type = "boolean", default = true, doc = "Whether the site is being worked on." },
    page = { type = "string", default = "<h1>Back soon</h1>", doc = "The page others see." },
    networks = { type = "list", of = "cidr", default = {}, doc = "Who sees the site itself." },
    cookie = { type = "secret", doc = "The value of the cookie `preview`, for the same." },
    retry_after = { type = "duration", default = "10m", doc = "When to come back." },
  },

  setup = function(options)
    return ip.set(options.networks)
  end,

  request = function(req, ctx)
    local options = ctx.options
    if not options.on or ctx.state:contains(req.remote_ip) then return end
    local preview = req.cookies["preview"]
    if preview and options.cookie and crypto.equal(preview, options.cookie) then return end
    return respond(503, options.page, {
      ["Content-Type"] = "text/html; charset=utf-8",
      ["Retry-After"] = string.format("%d", options.retry_after),
    })
  end,
}
