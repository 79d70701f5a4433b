-- Redirects requests to another scheme or port of the same host, most often from HTTP to HTTPS.
return {
  schema = {
    doc = "Redirects requests to another scheme or port of the same host, most often from "
      .. "HTTP to HTTPS.",
    standalone = false,
    scheme = {
      type = "string", required = true, non_empty = true,
      doc = "The scheme of the new URL, such as https.",
    },
    port = {
      type = "string", default = "",
      doc = "The port of the new URL; without one, or with the scheme's own, the URL names none.",
    },
    permanent = {
      type = "boolean", default = false,
      doc = "Answer 301 (GET) or 308, which browsers remember, instead of 302 or 307.",
    },
    forcePermanentRedirect = {
      type = "boolean", default = false,
      doc = "Answer 308 whatever the method is.",
    },
  },

  request = function(req, ctx)
    local options = ctx.options
    local scheme, port = options.scheme, options.port
    local own = (scheme == "http" and "80") or (scheme == "https" and "443") or ""
    local suffix = (port ~= "" and port ~= own) and (":" .. port) or ""
    local target = scheme .. "://" .. req.hostname .. suffix .. req.uri
    -- Another scheme is another URL; only within one the rest has to be looked at.
    if scheme == req.scheme and target == req.url then return end
    local is_get = req.method == "GET"
    local status = is_get and 302 or 307
    if options.permanent then status = is_get and 301 or 308 end
    if options.forcePermanentRedirect then status = 308 end
    return redirect(target, status)
  end,
}
