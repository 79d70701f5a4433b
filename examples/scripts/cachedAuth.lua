-- Asks a server whether a token is good, and remembers its answer for a while, yes and no alike.
local answers = store.open("answers", { max = "4MiB" })

return {
  schema = {
    address = { type = "url", required = true, doc = "Who is asked; 200 means yes." },
    ttl = { type = "duration", default = "30s", doc = "How long an answer holds." },
    timeout = { type = "duration", default = "2s", doc = "How long an answer may take." },
  },

  request = function(req, ctx)
    local options = ctx.options
    local token = req.headers:get("Authorization")
    if not token then return respond(401) end
    -- Tokens are not kept, only their digests.
    local key = crypto.sha256(token)
    local user = answers:get(key)
    if user == nil then
      local res, why = http.fetch(options.address, {
        headers = { Authorization = token }, timeout = options.timeout,
      })
      if not res or res.status >= 500 then
        log.error("nobody to ask", { why = why or res.status })
        return respond(503, "", { ["Retry-After"] = "1" })
      end
      user = res.status == 200 and (res.headers["X-User"] or "") or false
      answers:set(key, user, options.ttl)
    end
    if user == false then return respond(403) end
    req.headers["X-User"] = user
  end,
}
