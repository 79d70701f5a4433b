-- Chooses a service by the version that the client asks for, in a header or in the path.
return {
  schema = {
    services = { type = "map", of = "service", required = true, doc = "Services by version." },
    header = { type = "string", default = "X-Api-Version", doc = "The header with the version." },
    default = { type = "string", default = "", doc = "The version of clients that name none." },
  },

  request = function(req, ctx)
    local options = ctx.options
    local version, rest = req.path:match("^/v(%d+)(/.*)$")
    if version and options.services[version] then
      req.path = rest
    else
      version = req.headers:get(options.header) or options.default
    end
    if version == "" then return end
    local service = options.services[version]
    if not service then return respond(404, "there is no version " .. version .. "\n") end
    return ctx.service(service) or respond(503)
  end,
}
