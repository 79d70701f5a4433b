-- Puts a prefix in front of the path before the request goes on.
return {
  schema = {
    doc = "Puts a prefix in front of the path before the request goes on.",
    standalone = false,
    prefix = {
      type = "string", required = true, non_empty = true,
      doc = "What is put in front of the path; a leading slash is added when it is missing.",
    },
  },

  request = function(req, ctx)
    local prefix = ctx.options.prefix
    if prefix:byte() ~= 47 then prefix = "/" .. prefix end
    local path, raw = req.path, req.raw_path
    if url.encode_path(path) == raw then
      req.path = prefix .. path
    else
      -- The client's own spelling stays, such as %2F for a slash that parts no segments.
      req:set_path(prefix .. path, prefix .. raw)
    end
  end,
}
