-- Lets requests pass that are signed with a known secret, as draft-cavage-http-signatures says:
-- Authorization: Hmac keyId="anna", algorithm="hmac-sha256", headers="date host", signature="…"

local algorithms = {
  ["hmac-sha1"] = "sha1", ["hmac-sha256"] = "sha256", ["hmac-sha384"] = "sha384",
  ["hmac-sha512"] = "sha512",
}

local months = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10,
  Nov = 11, Dec = 12,
}

-- Days from 1970 to a date of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local leaps = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return 365 * year + leaps + math.floor((153 * (month - 3) + 2) / 5) + day - 719469
end

-- Seconds since 1970 of a date as HTTP writes it; nil when it is none.
local function seconds(date)
  local day, name, year, hour, minute, second =
    date:match("^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$")
  local month = months[name or ""]
  if not month then return nil end
  local whole = days(tonumber(year), month, tonumber(day))
  return whole * 86400 + hour * 3600 + minute * 60 + second
end

-- The parameters of the header; nil when it is of another kind.
local function parameters(header)
  local kind, rest = (header or ""):match("^(%a+) +(.*)$")
  kind = kind and kind:lower()
  if kind ~= "hmac" and kind ~= "signature" then return nil end
  local found = {}
  for name, value in rest:gmatch('([%w_]+)%s*=%s*"?([^",]*)"?') do found[name:lower()] = value end
  return found
end

-- What is signed, and the names of the parts; nil when a part is missing.
local function signed_text(req, sent)
  local lines, names = {}, {}
  for name in (sent.headers or "date"):lower():gmatch("%S+") do
    local value
    if name == "(request-target)" or name == "@request-target" then
      value = req.method:lower() .. " " .. req.uri
      names["(request-target)"] = true
    elseif name == "(created)" or name == "(expires)" then
      value = sent[name:sub(2, -2)]
    else
      value = req.headers[name]
    end
    if not value then return nil end
    names[name] = true
    lines[#lines + 1] = name .. ": " .. value
  end
  return table.concat(lines, "\n"), names
end

-- Whether what is signed says a time that is about now.
local function is_current(req, sent, names, skew)
  local now = os.time()
  local function near(time) return time and math.abs(now - time) <= skew end
  if names["(expires)"] and not (tonumber(sent.expires) and now <= tonumber(sent.expires)) then
    return false
  end
  if names["(created)"] and not near(tonumber(sent.created)) then return false end
  if names["date"] and not near(seconds(req.headers["Date"])) then return false end
  return names["(created)"] or names["date"] or names["(expires)"]
end

local function passes(req, options, sent)
  local user = sent.keyid or sent.username
  local algorithm = algorithms[(sent.algorithm or "hmac-sha256"):lower()]
  local secret = user and options.keys[user]
  if not (secret and algorithm and sent.signature) then return nil end
  local text, names = signed_text(req, sent)
  if not text then return nil end
  for _, name in ipairs(options.enforcedHeaders) do
    if not names[name:lower()] then return nil end
  end
  local right = crypto.hmac(algorithm, secret, text, "base64")
  if not crypto.equal(right, sent.signature) then return nil end
  return is_current(req, sent, names, options.clockSkew) and user or nil
end

return {
  schema = {
    doc = "Lets requests pass that are signed with a known secret.",
    standalone = false,
    keys = {
      type = "map", of = "secret", required = true,
      doc = "The secrets by the names of their keys.",
    },
    enforcedHeaders = {
      type = "list", of = "string", default = { "(request-target)" },
      doc = "What must be signed at least, beside a time: headers, or (request-target).",
    },
    clockSkew = {
      type = "duration", default = "5m",
      doc = "How far the signed time may be from now.",
    },
    removeHeader = {
      type = "boolean", default = false,
      doc = "Whether the server does not get the Authorization header.",
    },
    headerField = {
      type = "string", default = "",
      doc = "A request header that gets the name of the key.",
    },
  },

  setup = function(options)
    for name, secret in pairs(options.keys) do
      if secret == "" then error("keys." .. name .. ": is empty", 0) end
    end
  end,

  request = function(req, ctx)
    local options = ctx.options
    local sent = parameters(req.headers:get("Authorization"))
    local user = sent and passes(req, options, sent)
    if not user then
      local headers = { ["WWW-Authenticate"] = "Hmac" }
      return respond(401, "401 Unauthorized\n", headers)
    end
    req.user = user
    if options.removeHeader then req.headers["Authorization"] = nil end
    if options.headerField ~= "" then req.headers[options.headerField] = user end
  end,
}
