-- Gives each request an id that the server, the client and the logs can name it by.
local function uuid(bytes, version)
  local digits = hex.encode(bytes)
  local variant = ("89ab"):sub(bytes:byte(9) % 4 + 1, bytes:byte(9) % 4 + 1)
  return digits:sub(1, 8) .. "-" .. digits:sub(9, 12) .. "-" .. version .. digits:sub(14, 16)
    .. "-" .. variant .. digits:sub(18, 20) .. "-" .. digits:sub(21, 32)
end

local generators = {
  uuid4 = function() return uuid(crypto.random_bytes(16), "4") end,
  -- Later ids sort behind earlier ones.
  uuid7 = function()
    local milliseconds = math.floor(time.now() * 1000)
    local bytes = hex.decode(string.format("%012x", milliseconds))
    return uuid(bytes .. crypto.random_bytes(10), "7")
  end,
  hex = function() return hex.encode(crypto.random_bytes(16)) end,
}

-- Whether what a client calls its request can stand in logs and headers.
local function is_fit(id)
  return #id <= 128 and id:find("^[%w._~:/+=@-]+$") ~= nil
end

return {
  schema = {
    doc = "Gives each request an id.",
    standalone = true,
    headerName = {
      type = "string", default = "X-Request-Id", pattern = "^[A-Za-z0-9-]+$",
      doc = "The header that holds the id.",
    },
    generator = {
      type = "enum", values = { "uuid4", "uuid7", "hex" }, default = "uuid4",
      doc = "What an id looks like; those of uuid7 sort by time.",
    },
    keep = {
      type = "boolean", default = true,
      doc = "Whether an id that came with the request stays: up to 128 letters, digits and ._~:/+=@-.",
    },
    includeInResponse = {
      type = "boolean", default = true, doc = "Whether the client is told the id.",
    },
  },

  setup = function(options) return generators[options.generator] end,

  request = function(req, ctx)
    local options = ctx.options
    local name = options.headerName
    local id = options.keep and req.headers[name]
    if not id or not is_fit(id) then id = ctx.state() end
    req.headers[name] = id
    if not options.includeInResponse then return end
    local res = ctx.next()
    if res.status ~= 101 then res.headers[name] = id end
    return res
  end,
}
