-- Removes what the first of several expressions matches at the beginning of the path, and tells
-- servers what it was in X-Forwarded-Prefix.
local function with_slash(path)
  if path:byte() ~= 47 then path = "/" .. path end
  return path
end

-- What is left of an escaped path without its first characters; an escape is one character.
local function skip(raw, count)
  local at = 1
  for _ = 1, count do
    if raw:byte(at) == 37 then at = at + 3 else at = at + 1 end
  end
  return raw:sub(at)
end

return {
  schema = {
    doc = "Removes what the first of several expressions matches at the beginning of the "
      .. "path, and tells servers what it was in X-Forwarded-Prefix.",
    standalone = false,
    regex = {
      type = "list", of = "regex", default = {},
      doc = "The expressions, in the order they are tried on the decoded path.",
    },
  },

  setup = function(options)
    local expressions = {}
    for i, text in ipairs(options.regex) do
      expressions[i] = re.compile((text:gsub("^%s+", ""):gsub("%s+$", "")))
    end
    return expressions
  end,

  request = function(req, ctx)
    local path = req.path
    for _, expression in ipairs(ctx.state) do
      local first, last = expression:find(path)
      local prefix = first and path:sub(first, last) or ""
      -- A match further on counts as well when the path begins with the same text.
      if prefix ~= "" and path:sub(1, #prefix) == prefix then
        local raw, new = req.raw_path, with_slash(path:sub(#prefix + 1))
        req:set_path(new, raw == path and new or with_slash(skip(raw, #prefix)))
        -- What was one segment with the prefix must not become a way out of the folder.
        new = req.raw_path
        if new:find("/.", 1, true) and (new .. "/"):find("/%.%.?/") then
          return respond(400, "Bad Request")
        end
        req.headers:add("X-Forwarded-Prefix", prefix)
        return
      end
    end
  end,
}
