-- Redirects old addresses to new ones, by a list.
return {
  schema = {
    paths = { type = "map", of = "string", required = true, doc = "New paths or URLs by old path." },
    gone = { type = "list", of = "string", default = {}, doc = "Paths that are no more." },
  },

  setup = function(options)
    local gone = {}
    for _, path in ipairs(options.gone) do gone[path] = true end
    return gone
  end,

  request = function(req, ctx)
    local new = ctx.options.paths[req.path]
    if new then return redirect(req.query and new .. "?" .. req.query or new, 301) end
    if ctx.state[req.path] then return respond(410, "This page is no more.\n") end
  end,
}
