-- Removes the first of several prefixes that the path begins with, and tells servers which one in
-- X-Forwarded-Prefix.
local function without(path, prefix)
  if path:sub(1, #prefix) == prefix then path = path:sub(#prefix + 1) end
  if path:byte() ~= 47 then path = "/" .. path end
  return path
end

local function trim(text)
  return (text:gsub("^%s+", ""):gsub("%s+$", ""))
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

  setup = function(options)
    local told = {}
    for i, prefix in ipairs(options.prefixes) do told[i] = trim(prefix) end
    return told
  end,

  request = function(req, ctx)
    local path = req.path
    for i, prefix in ipairs(ctx.options.prefixes) do
      if path:sub(1, #prefix) == prefix then
        local raw = req.raw_path
        local new = without(path, prefix)
        req:set_path(new, raw == path and new or without(raw, prefix))
        -- What was one segment with the prefix must not become a way out of the folder.
        new = req.raw_path
        if new:find("/.", 1, true) and (new .. "/"):find("/%.%.?/") then
          return respond(400, "Bad Request")
        end
        req.headers:add("X-Forwarded-Prefix", ctx.state[i])
        return
      end
    end
  end,
}
