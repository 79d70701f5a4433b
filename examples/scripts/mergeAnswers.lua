-- Asks several services and answers with all of what they say, so that a page needs one request.
return {
  schema = {
    parts = { type = "map", of = "string", required = true, doc = "`service:NAME/PATH` by name." },
    timeout = { type = "duration", default = "1s", doc = "How long one may take." },
  },

  request = function(req, ctx)
    local all = {}
    for name, address in pairs(ctx.options.parts) do
      local res = http.fetch(address, {
        timeout = ctx.options.timeout, headers = { Authorization = req.headers:get("Authorization") },
      })
      local value = res and res.status == 200 and json.decode(res:body())
      -- What is missing is said, and the rest is shown.
      all[name] = value or { error = res and res.status or "no answer" }
    end
    return respond(200, json.encode(all), { ["Content-Type"] = "application/json" })
  end,
}
