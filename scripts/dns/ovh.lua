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

-- How a name is called in a zone.
local function name_in(zone, fqdn)
  local relative = dns.relative(fqdn, zone)
  return relative == "@" and "" or relative
end

-- The numbers of records that were set: keys often may set and take away records, and not look at
-- them.
local numbers = store.open("numbers")

local function key_of(challenge) return challenge.fqdn .. " " .. challenge.value end

-- Zones of others, and those that the keys are not for, are passed over.
local function passed_over(status) return status == 404 or status == 403 end

-- Where a record is that this process has not set.
local function look_for(options, session, challenge)
  for _, zone in ipairs(dns.parents(challenge.fqdn)) do
    local path = "/domain/zone/" .. zone
    local query = "/record?fieldType=TXT&subDomain=" .. url.encode(name_in(zone, challenge.fqdn))
    local status, found, why = ask(options, session, "GET", path .. query)
    if status == 200 then
      for _, id in ipairs(found) do
        local one = path .. "/record/" .. string.format("%d", id)
        local record = demand(options, session, "GET", one)
        if string.gsub(record.target, '"', "") == challenge.value then return one end
      end
      return nil
    end
    if not passed_over(status) then error(why, 0) end
  end
  error("no zone that these keys may look at holds " .. challenge.fqdn, 0)
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
    doc = "One of three: an application's keys with the rights POST and DELETE, and better GET as "
      .. "well, on `/domain/zone/*`; a client of OAuth 2; or an access token.",
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
    local reason
    for _, zone in ipairs(dns.parents(challenge.fqdn)) do
      local path = "/domain/zone/" .. zone
      local status, record, why = ask(options, session, "POST", path .. "/record", {
        fieldType = "TXT", subDomain = name_in(zone, challenge.fqdn), target = challenge.value,
        ttl = options.OVH_TTL,
      })
      if status < 300 then
        numbers:set(key_of(challenge), path .. "/record/" .. string.format("%d", record.id))
        demand(options, session, "POST", path .. "/refresh")
        return
      end
      if not passed_over(status) then error(why, 0) end
      reason = why
    end
    error("no zone that these keys may change holds " .. challenge.fqdn .. ": " .. reason, 0)
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local session = begin(options)
    local one = numbers:get(key_of(challenge)) or look_for(options, session, challenge)
    if not one then return end
    local status, _, why = ask(options, session, "DELETE", one)
    if status >= 300 and status ~= 404 then error(why, 0) end
    numbers:del(key_of(challenge))
    demand(options, session, "POST", string.match(one, "^(.*)/record/") .. "/refresh")
  end,
}
