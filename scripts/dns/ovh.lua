-- OVHcloud. Requests are signed with an application's keys, or carry a token.

local endpoints = {
  ["ovh-eu"] = "https://eu.api.ovh.com/1.0",
  ["ovh-us"] = "https://api.us.ovhcloud.com/1.0",
  ["ovh-ca"] = "https://ca.api.ovh.com/1.0",
  ["kimsufi-eu"] = "https://eu.api.kimsufi.com/1.0",
  ["kimsufi-ca"] = "https://ca.api.kimsufi.com/1.0",
  ["soyoustart-eu"] = "https://eu.api.soyoustart.com/1.0",
  ["soyoustart-ca"] = "https://ca.api.soyoustart.com/1.0",
}

-- Where a client's token is given, by endpoint.
local tokens = {
  ["ovh-eu"] = "https://www.ovh.com/auth/oauth2/token",
  ["ovh-ca"] = "https://ca.ovh.com/auth/oauth2/token",
  ["ovh-us"] = "https://us.ovhcloud.com/auth/oauth2/token",
}

local function base(options)
  return endpoints[options.OVH_ENDPOINT] or string.gsub(options.OVH_ENDPOINT, "/+$", "")
end

local function send(method, address, headers, body, options)
  local res, why = http.fetch(address, {
    method = method, headers = headers, body = body, timeout = options.OVH_HTTP_TIMEOUT,
  })
  if not res then error(method .. " " .. address .. ": " .. why, 0) end
  return res.status, res:body()
end

-- The token of OVH_CLIENT_ID.
local function client_token(options)
  local address = tokens[options.OVH_ENDPOINT]
  local body = "grant_type=client_credentials&scope=all"
    .. "&client_id=" .. url.encode(options.OVH_CLIENT_ID)
    .. "&client_secret=" .. url.encode(options.OVH_CLIENT_SECRET)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  local status, text = send("POST", address, headers, body, options)
  local answer = status == 200 and json.decode(text)
  if type(answer) ~= "table" or not answer.access_token then
    error(string.format("POST %s: status %d: %s", address, status, text), 0)
  end
  return answer.access_token
end

-- A session: how requests are allowed, and how far this machine's clock is from the API's.
local function begin(options)
  if options.OVH_ACCESS_TOKEN then return { token = options.OVH_ACCESS_TOKEN } end
  if options.OVH_CLIENT_ID then return { token = client_token(options) } end
  local address = base(options) .. "/auth/time"
  local status, text = send("GET", address, {}, nil, options)
  local now = tonumber(text)
  if status ~= 200 or not now then error("GET " .. address .. ": status " .. status, 0) end
  return { ahead = now - os.time() }
end

local function ask(options, session, method, path, body)
  local address = base(options) .. path
  local text = body and json.encode(body) or ""
  local headers = { ["Content-Type"] = "application/json" }
  if session.token then
    headers["Authorization"] = "Bearer " .. session.token
  else
    local now = string.format("%d", os.time() + session.ahead)
    local parts = {
      options.OVH_APPLICATION_SECRET, options.OVH_CONSUMER_KEY, method, address, text, now,
    }
    headers["X-Ovh-Application"] = options.OVH_APPLICATION_KEY
    headers["X-Ovh-Consumer"] = options.OVH_CONSUMER_KEY
    headers["X-Ovh-Timestamp"] = now
    headers["X-Ovh-Signature"] = "$1$" .. crypto.sha1(table.concat(parts, "+"), "hex")
  end
  local status, answer = send(method, address, headers, body and text, options)
  local decoded = answer ~= "" and json.decode(answer) or nil
  local message = type(decoded) == "table" and decoded.message or answer
  return status, decoded, string.format("%s %s: status %d: %s", method, path, status, message)
end

local function demand(...)
  local status, answer, why = ask(...)
  if status >= 300 then error(why, 0) end
  return answer
end

-- Where a name's zone is, and how the name is called in it. Asking for the zone itself may not be
-- allowed, so that records are asked for.
local function place_of(options, session, fqdn)
  for _, zone in ipairs(dns.parents(fqdn)) do
    local relative = dns.relative(fqdn, zone)
    if relative == "@" then relative = "" end
    local path = "/domain/zone/" .. zone
    local query = "/record?fieldType=TXT&subDomain=" .. url.encode(relative)
    local status, found, why = ask(options, session, "GET", path .. query)
    if status == 200 then return path, relative, found end
    if status ~= 404 and status ~= 403 then error(why, 0) end
  end
  error("no zone that these keys may read holds " .. fqdn, 0)
end

local function all_set(options, names)
  for _, name in ipairs(names) do
    if not options[name] then return false end
  end
  return true
end

return {
  name = "OVHcloud",

  schema = {
    doc = "One of three: an application's keys with the rights GET, POST and DELETE on "
      .. "`/domain/zone/*`; a client of OAuth 2; or an access token.",
    OVH_ENDPOINT = {
      type = "string", default = "ovh-eu",
      doc = "The API: `ovh-eu`, `ovh-us`, `ovh-ca`, `kimsufi-eu`, `kimsufi-ca`, `soyoustart-eu`, "
        .. "`soyoustart-ca`, or its URL.",
    },
    OVH_APPLICATION_KEY = { type = "string", doc = "The application's key." },
    OVH_APPLICATION_SECRET = { type = "secret", doc = "The application's secret." },
    OVH_CONSUMER_KEY = { type = "secret", doc = "The key that the account's owner has allowed." },
    OVH_CLIENT_ID = { type = "string", doc = "The client's id (OAuth 2)." },
    OVH_CLIENT_SECRET = { type = "secret", doc = "The client's secret (OAuth 2)." },
    OVH_ACCESS_TOKEN = { type = "secret", doc = "A token." },
    OVH_TTL = {
      type = "integer", default = 120, doc = "Seconds that the record may be kept by resolvers.",
    },
    OVH_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    OVH_POLLING_INTERVAL = { type = "duration", default = 2, doc = "How often to look for it." },
    OVH_HTTP_TIMEOUT = { type = "duration", default = 180, doc = "How long a request may take." },
  },

  setup = function(options)
    local application = { "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY" }
    local client = { "OVH_CLIENT_ID", "OVH_CLIENT_SECRET" }
    if options.OVH_CLIENT_ID and options.OVH_APPLICATION_KEY then
      error("OVH_CLIENT_ID and OVH_APPLICATION_KEY exclude each other", 0)
    end
    local is_set = options.OVH_ACCESS_TOKEN or all_set(options, application)
      or all_set(options, client)
    if not is_set then
      error(table.concat(application, ", ") .. " are missing, or " .. table.concat(client, ", ")
        .. ", or OVH_ACCESS_TOKEN", 0)
    end
    local known = endpoints[options.OVH_ENDPOINT] or string.find(options.OVH_ENDPOINT, "^https?://")
    if not known then error("OVH_ENDPOINT: there is no " .. options.OVH_ENDPOINT, 0) end
    if options.OVH_CLIENT_ID and not tokens[options.OVH_ENDPOINT] then
      error("OVH_CLIENT_ID: " .. options.OVH_ENDPOINT .. " has no clients of OAuth 2", 0)
    end
  end,

  present = function(challenge, ctx)
    local options = ctx.options
    local session = begin(options)
    local path, relative = place_of(options, session, challenge.fqdn)
    demand(options, session, "POST", path .. "/record", {
      fieldType = "TXT", subDomain = relative, target = challenge.value, ttl = options.OVH_TTL,
    })
    demand(options, session, "POST", path .. "/refresh")
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local session = begin(options)
    local path, _, found = place_of(options, session, challenge.fqdn)
    local gone = false
    for _, id in ipairs(found) do
      local one = path .. "/record/" .. string.format("%d", id)
      local record = demand(options, session, "GET", one)
      if string.gsub(record.target, '"', "") == challenge.value then
        demand(options, session, "DELETE", one)
        gone = true
      end
    end
    if gone then demand(options, session, "POST", path .. "/refresh") end
  end,
}
