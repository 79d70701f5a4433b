-- Removes the first of several prefixes that the path begins with, and tells servers which one in
-- X-Forwarded-Prefix.
local function without(path, prefix)
  if path:sub(1, #prefix) == prefix then path = path:sub(#prefix + 1) end
  if path:byte() ~= 47 then path = "/" .. path end
  return path
end

return {
  schema = {
    doc = "Removes the first of several prefixes that the path begins with, and tells "
      .. "servers which one in X-Forwarded-Prefix.",
    standalone = false,
    prefixes = {
      type = "list", of = "string", default = {},
      doc = "The prefixes, in the order they are tried. They are compared by characters.",
    },
    forceSlash = {
      type = "boolean", default = true,
      deprecated = "a path always begins with a slash",
      doc = "Whether an empty path becomes a slash.",
    },
  },

  request = function(req, ctx)
    local path = req.path
    for _, prefix in ipairs(ctx.options.prefixes) do
      if path:sub(1, #prefix) == prefix then
        req:set_path(without(path, prefix), without(req.raw_path, prefix))
        -- What was one segment with the prefix must not become a way out of the folder.
        if (req.raw_path .. "/"):find("/%.%.?/") then return respond(400, "Bad Request") end
        req.headers:add("X-Forwarded-Prefix", (prefix:gsub("^%s+", ""):gsub("%s+$", "")))
        return
      end
    end
  end,
}
