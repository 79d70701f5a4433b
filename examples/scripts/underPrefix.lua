-- Serves an application below a prefix that it knows nothing of: its redirects and cookies get the
-- prefix as well.
return {
  schema = {
    prefix = { type = "string", required = true, doc = "Such as /wiki." },
  },

  request = function(req, ctx)
    local prefix = ctx.options.prefix
    if req.path == prefix then return redirect(prefix .. "/", 308) end
    if req.path:sub(1, #prefix + 1) ~= prefix .. "/" then return respond(404) end
    req.path = req.path:sub(#prefix + 1)
    req.headers["X-Forwarded-Prefix"] = prefix
  end,

  response = function(res, ctx)
    local prefix = ctx.options.prefix
    local location = res.headers["Location"]
    if location and location:sub(1, 1) == "/" and location:sub(1, 2) ~= "//" then
      res.headers["Location"] = prefix .. location
    end
    local lines = res.headers:all("Set-Cookie")
    if #lines == 0 then return end
    res.headers["Set-Cookie"] = nil
    for _, line in ipairs(lines) do
      res.headers:add("Set-Cookie", (line:gsub("([Pp]ath=)/", "%1" .. prefix .. "/", 1)))
    end
  end,
}
