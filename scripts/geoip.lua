-- Tells the server where a client's address is, and refuses clients of some countries, by a
-- database in MaxMind's format.

-- A fact by its path, such as country.iso_code or subdivisions.1.iso_code.
local function fact(place, path)
  local value = place
  for part in path:gmatch("[^.]+") do
    if type(value) ~= "table" then return nil end
    value = value[tonumber(part) or part]
  end
  if type(value) == "table" then return json.encode(value) end
  if type(value) == "number" then return json.encode(value) end
  return value ~= nil and tostring(value) or nil
end

local function country_of(place)
  return fact(place, "country.iso_code") or fact(place, "registered_country.iso_code")
end

local function set_of(names)
  if #names == 0 then return nil end
  local set = {}
  for _, name in ipairs(names) do set[name:upper()] = true end
  return set
end

-- Headers take ASCII only; what else is in a name is escaped as in URLs.
local function header_text(text)
  return (text:gsub("[^\32-\126]", function(byte) return string.format("%%%02X", byte:byte()) end))
end

return {
  schema = {
    doc = "Tells the server where a client's address is, and refuses clients of some countries.",
    standalone = false,
    database = {
      type = "path", required = true,
      doc = "The file with the database; it is read again when it has changed.",
    },
    headers = {
      type = "map", of = "string", default = { ["X-GeoIP-Country"] = "country.iso_code" },
      doc = "Facts of the database by the request headers that get them, such as "
        .. "city.names.en, location.latitude or autonomous_system_number.",
    },
    allowCountries = {
      type = "list", of = "string", default = {},
      doc = "The only countries whose clients pass, as two letters; all if empty.",
    },
    denyCountries = {
      type = "list", of = "string", default = {},
      doc = "Countries whose clients are refused, as two letters.",
    },
    allowUnknown = {
      type = "boolean", default = true,
      doc = "Whether clients pass of whose country nothing is known.",
    },
    excludedSourceRange = {
      type = "list", of = "cidr", default = {},
      doc = "Addresses and networks that pass wherever they are.",
    },
    ipStrategy = {
      type = "object",
      doc = "Which address is the client's; that of the connection unless set.",
      fields = {
        depth = {
          type = "integer", default = 0, min = 0,
          doc = "The place in `X-Forwarded-For`, counted from the right.",
        },
        excludedIPs = {
          type = "list", of = "cidr",
          doc = "Addresses in `X-Forwarded-For` that are passed over from the right.",
        },
      },
    },
    rejectStatusCode = {
      type = "integer", default = 403, min = 200, max = 999, doc = "The status that others get.",
    },
  },

  setup = function(options)
    local how = options.ipStrategy or {}
    local excluded = options.excludedSourceRange
    return {
      places = geo.open(options.database),
      clients = ip.strategy({ depth = how.depth, excluded = how.excludedIPs }),
      allowed = set_of(options.allowCountries), denied = set_of(options.denyCountries),
      excluded = #excluded > 0 and ip.set(excluded) or nil,
    }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local address = state.clients:client(req)
    local place = state.places:lookup(address)
    for header, path in pairs(options.headers) do
      local text = place and fact(place, path)
      req.headers[header] = text and header_text(text) or nil
    end
    if not (state.allowed or state.denied or not options.allowUnknown) then return end
    if state.excluded and state.excluded:contains(address) then return end
    local country = place and country_of(place)
    local passes = options.allowUnknown
    if country then
      passes = (not state.allowed or state.allowed[country] == true)
        and not (state.denied and state.denied[country])
    end
    if passes then return end
    log.debug("refused a client", { address = address, country = country or "unknown" })
    local status = options.rejectStatusCode
    return respond(status, status_text(status))
  end,
}
