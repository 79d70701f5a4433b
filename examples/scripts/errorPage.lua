-- Puts a page of your own in the place of errors, without a service for it. Clients that want JSON
-- keep what the server said.
return {
  schema = {
    title = { type = "string", default = "Something went wrong", doc = "The page's title." },
    from = { type = "integer", default = 404, min = 400, max = 599, doc = "The first status." },
  },

  request = function(req, ctx)
    ctx.vars.wants_html = (req.headers["Accept"] or ""):find("text/html", 1, true) ~= nil
  end,

  response = function(res, ctx)
    if res.status < ctx.options.from or not ctx.vars.wants_html then return end
    local text = status_text(res.status) or "Error"
    return respond(res.status, string.format(
      "<!doctype html><title>%s</title><h1>%d</h1><p>%s", ctx.options.title, res.status, text
    ), { ["Content-Type"] = "text/html; charset=utf-8" })
  end,
}
