-- Asks several services at once and answers with all of what they say, so that a page needs one
-- request.
return {
  schema = {
    parts = { type = "map", of = "string", required = true, doc = "`service:NAME/PATH` by name." },
    timeout = { type = "duration", default = "1s", doc = "How long one may take." },
  },

  request = function(req, ctx)
    local names, requests = {}, {}
    for name, address in pairs(ctx.options.parts) do
      table.insert(names, name)
      table.insert(requests, {
        url = address,
        timeout = ctx.options.timeout,
        headers = { Authorization = req.headers:get("Authorization") },
      })
    end
    local all = {}
    for place, answer in ipairs(http.all(requests)) do
      local res = answer.res
      local value = res and res.status == 200 and json.decode(res:body())
      -- What is missing is said, and the rest is shown.
      all[names[place]] = value or { error = res and res.status or answer.kind }
    end
    return respond(200, json.encode(all), { ["Content-Type"] = "application/json" })
  end,
}
