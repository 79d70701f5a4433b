-- Replaces the path by a fixed one, and tells servers the original in X-Replaced-Path.
return {
  schema = {
    doc = "Replaces the path by a fixed one, and tells servers the original in X-Replaced-Path.",
    standalone = false,
    path = {
      type = "string", required = true, non_empty = true,
      doc = "The new path. Its percent escapes are decoded; the query stays.",
    },
  },

  setup = function(options) return url.decode(options.path) end,

  request = function(req, ctx)
    local new, decoded = ctx.options.path, ctx.state
    if not decoded then return respond(500, "invalid URL escape in the path " .. new) end
    local original, raw = req.path, req.raw_path
    -- Servers see the decoded path unless the client spelled it in a way of its own.
    if original ~= raw and url.encode_path(original) ~= raw then original = raw end
    req:set_path(decoded, new)
    req.headers:add("X-Replaced-Path", original)
  end,
}
