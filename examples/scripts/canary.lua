-- Sends some of the users to another version, and always the same ones: by a cookie once it is
-- there, else by a share in a hundred. A header chooses for whoever tries it out.
return {
  schema = {
    service = { type = "service", required = true, doc = "The service of the other version." },
    percent = { type = "number", default = 10, min = 0, max = 100, doc = "The share of users." },
    cookie = { type = "string", default = "version", doc = "The cookie that remembers." },
    header = { type = "string", default = "X-Canary", doc = "The header that chooses." },
  },

  request = function(req, ctx)
    local options = ctx.options
    local chosen = req.headers:get(options.header)
    if chosen == nil then chosen = req.cookies[options.cookie] end
    local is_new = chosen == nil
    if is_new then chosen = crypto.random(0, 9999) < options.percent * 100 and "new" or "old" end
    local res
    if chosen == "new" then res = ctx.service(options.service) end
    res = res or ctx.next()
    if is_new then
      res.cookies:set(options.cookie, chosen, { path = "/", max_age = "720h", http_only = true })
    end
    return res
  end,
}
