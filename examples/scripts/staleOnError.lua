-- Keeps the last good answer of each page, and gives it when the server fails.
local pages = store.open("pages", { max = "16MiB" })

return {
  schema = {
    keep = { type = "duration", default = "24h", doc = "How long a page may be kept." },
    max = { type = "size", default = "256KiB", doc = "Longer pages are not kept." },
  },

  request = function(req, ctx)
    if req.method ~= "GET" or req.headers["Authorization"] or req.headers["Cookie"] then return end
    local key = req.host .. req.uri
    local res = ctx.next()
    if res.status >= 500 then
      local kept = pages:get(key)
      if not kept then return res end
      local kind, body = kept:match("^([^\n]*)\n(.*)$")
      return respond(200, body, { ["Content-Type"] = kind, Warning = '111 - "Stale"' })
    end
    local size = res.length
    if res.status == 200 and size and size <= ctx.options.max and not res.headers["Set-Cookie"] then
      local body = res:body({ limit = ctx.options.max })
      local kind = res.headers["Content-Type"] or "application/octet-stream"
      pages:set(key, kind .. "\n" .. body, ctx.options.keep)
      res.body = body
    end
    return res
  end,
}
