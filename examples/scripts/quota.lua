-- Lets each key make so many requests a day, over all workers, and says how many are left.
local used = store.open("used", { max = "8MiB" })

return {
  schema = {
    per_day = { type = "integer", default = 1000, min = 1, doc = "Requests of a key in a day." },
    header = { type = "string", default = "X-API-Key", doc = "The header with the key." },
  },

  request = function(req, ctx)
    local key = req.headers:get(ctx.options.header)
    if not key then return respond(401, "a key is needed\n") end
    local day = os.date("!%Y-%m-%d")
    local most = ctx.options.per_day
    local count = used:incr(day .. " " .. crypto.sha256(key), 1, { ttl = "24h", max = most })
    if not count then
      return respond(429, "no more requests today\n", { ["X-Remaining"] = "0" })
    end
    ctx.vars.remaining = most - count
  end,

  response = function(res, ctx)
    local remaining = ctx.vars.remaining
    if remaining then res.headers["X-Remaining"] = string.format("%d", remaining) end
  end,
}
