-- Replaces what an expression matches in the path, and tells servers the original in
-- X-Replaced-Path.
local function trim(text)
  return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

return {
  schema = {
    doc = "Replaces what an expression matches in the path, and tells servers the original "
      .. "in X-Replaced-Path.",
    standalone = false,
    regex = {
      type = "regex", default = "", doc = "What is looked for in the path with its escapes.",
    },
    replacement = {
      type = "string", default = "",
      doc = "What stands in its place; `$1`, `${1}` and `${name}` are groups of the expression.",
    },
  },

  setup = function(options)
    return { expression = re.compile(trim(options.regex)), replacement = trim(options.replacement) }
  end,

  request = function(req, ctx)
    local state, path = ctx.state, req.raw_path
    local new, count = state.expression:replace(path, state.replacement)
    if count == 0 then return end
    local decoded = url.decode(new)
    if not decoded then return respond(500, "invalid URL escape in the path " .. new) end
    req:set_path(decoded, new)
    req.headers:add("X-Replaced-Path", path)
  end,
}
