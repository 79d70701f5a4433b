-- Lets requests pass that carry a known key, in a header, in the query or in a cookie.

-- The key of a request, from the first of its places that has one.
local function key_of(req, options)
  if options.header ~= "" then
    local sent = req.headers:get(options.header)
    local scheme = options.headerAuthScheme
    if sent and scheme ~= "" then
      local word, rest = sent:match("^(%S+) +(.*)$")
      sent = word and word:lower() == scheme:lower() and rest or nil
    end
    if sent and sent ~= "" then return sent end
  end
  if options.query ~= "" and req.query then
    local values = url.parse_query(req.query)[options.query]
    if values and values[1] ~= "" then return values[1] end
  end
  if options.cookie ~= "" then return req.cookies[options.cookie] end
  return nil
end

-- The query without one parameter, the others as they were sent; nil when nothing is left.
local function query_without(query, name)
  local kept = {}
  for part in query:gmatch("[^&]+") do
    if url.parse_query(part)[name] == nil then kept[#kept + 1] = part end
  end
  return #kept > 0 and table.concat(kept, "&") or nil
end

-- The Cookie header without one cookie; nil when nothing is left.
local function cookies_without(header, name)
  local kept = {}
  for part in header:gmatch("[^;]+") do
    if part:match("^%s*([^=]*)=") ~= name then
      kept[#kept + 1] = part:gsub("^%s+", ""):gsub("%s+$", "")
    end
  end
  return #kept > 0 and table.concat(kept, "; ") or nil
end

local function remove_key(req, options)
  if options.header ~= "" then req.headers[options.header] = nil end
  if options.query ~= "" and req.query then
    req.query = query_without(req.query, options.query)
  end
  local cookies = req.headers["Cookie"]
  if options.cookie ~= "" and cookies then
    req.headers["Cookie"] = cookies_without(cookies, options.cookie)
  end
end

return {
  schema = {
    doc = "Lets requests pass that carry a known key.",
    standalone = false,
    keys = {
      type = "map", of = "secret", required = true,
      doc = "The keys by the names of those who hold them.",
    },
    header = {
      type = "string", default = "X-API-Key",
      doc = "The header that holds the key; empty for none.",
    },
    headerAuthScheme = {
      type = "string", default = "",
      doc = "The word before the key in the header, such as Bearer.",
    },
    query = {
      type = "string", default = "",
      doc = "The parameter of the query that holds the key when the header does not.",
    },
    cookie = {
      type = "string", default = "",
      doc = "The cookie that holds the key when header and query do not.",
    },
    removeKey = {
      type = "boolean", default = false,
      doc = "Whether the server does not get the key.",
    },
    headerField = {
      type = "string", default = "",
      doc = "A request header that gets the name of the key's holder.",
    },
  },

  setup = function(options)
    -- Looked up by digest, so that the time it takes says nothing of a key.
    local names = {}
    for name, key in pairs(options.keys) do
      if key == "" then error("keys." .. name .. ": is empty", 0) end
      names[crypto.sha256(key)] = name
    end
    return names
  end,

  request = function(req, ctx)
    local options = ctx.options
    local key = key_of(req, options)
    local name = key and ctx.state[crypto.sha256(key)]
    if not name then
      local scheme = options.headerAuthScheme
      local headers = nil
      if scheme ~= "" then headers = { ["WWW-Authenticate"] = scheme } end
      return respond(401, "401 Unauthorized\n", headers)
    end
    req.user = name
    if options.removeKey then remove_key(req, options) end
    if options.headerField ~= "" then req.headers[options.headerField] = name end
  end,
}
