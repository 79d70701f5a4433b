-- Keeps fields of JSON answers from clients, however deep they are.
local function redact(value, names)
  if type(value) ~= "table" then return end
  for name in pairs(names) do value[name] = nil end
  for _, inner in pairs(value) do redact(inner, names) end
end

return {
  schema = {
    fields = { type = "list", of = "string", required = true, doc = "Names of the fields." },
  },

  setup = function(options)
    local names = {}
    for _, name in ipairs(options.fields) do names[name] = true end
    return names
  end,

  response = function(res, ctx)
    local kind = res.headers["Content-Type"] or ""
    if kind:sub(1, 16) ~= "application/json" then return end
    if res.headers["Content-Encoding"] and not res:decode() then return respond(502) end
    local value = json.decode(res:body())
    if type(value) ~= "table" then return end
    redact(value, ctx.state)
    res.body = json.encode(value)
  end,
}
