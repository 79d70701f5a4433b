-- Tells a prototype's session what a request and its response look like at one place of a route.
-- Must not change either.
local function headers_of(message)
  local list = json.list({})
  for name, value in message.headers:pairs() do
    table.insert(list, json.list({ name, value }))
  end
  return list
end

local function tell(ctx, kind, what)
  what.kind, what.place = kind, ctx.options.place
  http.fetch(ctx.options.to, { method = "POST", body = json.encode(what), timeout = "5s" })
end

return {
  schema = {
    to = { type = "string", required = true },
    place = { type = "integer", required = true },
  },
  request = function(req, ctx)
    tell(ctx, "request", {
      router = ctx.router,
      method = req.method,
      host = req.host,
      uri = req.uri,
      headers = headers_of(req),
      length = req.length,
    })
  end,
  log = function(entry, ctx)
    if ctx.options.place == 0 then
      tell(ctx, "end", { service = entry.service, server = entry.server, status = entry.status })
    end
  end,
  response = function(res, ctx)
    tell(ctx, "response", {
      status = res.status,
      headers = headers_of(res),
      length = res.length,
    })
  end,
}
