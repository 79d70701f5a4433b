-- Redirects requests whose whole URL matches a regular expression to what a template makes of it.
return {
  schema = {
    doc = "Redirects requests whose whole URL matches a regular expression to what a "
      .. "template makes of it.",
    standalone = false,
    regex = {
      type = "regex", required = true,
      doc = "What the URL must match as the client saw it: scheme, host with port, path, query.",
    },
    replacement = {
      type = "string", required = true,
      doc = "The new URL; $1 and ${1} stand for groups, ${name} for named ones.",
    },
    permanent = {
      type = "boolean", default = false,
      doc = "Answer 301 (GET) or 308, which browsers remember, instead of 302 or 307.",
    },
  },

  setup = function(options)
    return re.compile(options.regex)
  end,

  request = function(req, ctx)
    local options = ctx.options
    -- Not req.url: an expression sees the port that the client named, also the scheme's own.
    local old = req.scheme .. "://" .. req.host .. req.uri
    local new, count = ctx.state:replace(old, options.replacement)
    if count == 0 or new == old then return end
    if new:find("://", 1, true) and not url.parse(new) then return respond(502, "Bad Gateway") end
    local is_get = req.method == "GET"
    local status = is_get and 302 or 307
    if options.permanent then status = is_get and 301 or 308 end
    return redirect(new, status)
  end,
}
