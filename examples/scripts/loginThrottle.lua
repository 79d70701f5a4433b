-- Stops clients for a while that fail to log in again and again.
local failures = store.open("failures", { max = "4MiB" })

return {
  schema = {
    path = { type = "string", default = "/login", doc = "Where clients log in." },
    failures = { type = "integer", default = 5, min = 1, doc = "Failures that are forgiven." },
    window = { type = "duration", default = "15m", doc = "How long failures are remembered." },
  },

  request = function(req, ctx)
    local options = ctx.options
    if req.method ~= "POST" or req.path ~= options.path then return end
    local client = req.remote_ip
    if (failures:get(client) or 0) >= options.failures then
      local wait = math.ceil(failures:ttl(client) or 1)
      return respond(429, "too many failures\n", { ["Retry-After"] = string.format("%d", wait) })
    end
    local res = ctx.next()
    if res.status == 401 or res.status == 403 then
      failures:incr(client, 1, { ttl = options.window })
    elseif res.status < 400 then
      failures:del(client)
    end
    return res
  end,
}
