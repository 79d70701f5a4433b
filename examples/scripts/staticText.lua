-- Answers some paths with texts of the configuration, such as /robots.txt, without a server.
return {
  schema = {
    files = { type = "map", of = "string", required = true, doc = "Texts by path." },
    max_age = { type = "duration", default = "1h", doc = "How long clients may keep them." },
  },

  request = function(req, ctx)
    local text = ctx.options.files[req.path]
    if not text then return end
    if req.method ~= "GET" and req.method ~= "HEAD" then return respond(405, "", { Allow = "GET, HEAD" }) end
    local kind = req.path:sub(-5) == ".json" and "application/json" or "text/plain; charset=utf-8"
    return respond(200, text, {
      ["Content-Type"] = kind,
      ["Cache-Control"] = string.format("public, max-age=%d", ctx.options.max_age),
    })
  end,
}
