-- Hetzner: the DNS of its Cloud API, or with a key of the older kind its former DNS Console.

-- The Cloud API works on sets of records, and on some of them later than it answers.

local cloud = "https://api.hetzner.cloud/v1"
local console = "https://dns.hetzner.com/api/v1"

local function ask(options, method, address, body)
  local headers = { ["Content-Type"] = "application/json" }
  if options.HETZNER_API_TOKEN then
    headers["Authorization"] = "Bearer " .. options.HETZNER_API_TOKEN
  else
    headers["Auth-API-Token"] = options.HETZNER_API_KEY
  end
  local res, why = http.fetch(address, {
    method = method, headers = headers, body = body and json.encode(body),
    timeout = options.HETZNER_HTTP_TIMEOUT,
  })
  if not res then error(method .. " " .. address .. ": " .. why, 0) end
  local text = res:body()
  local answer = text ~= "" and json.decode(text) or nil
  local told = type(answer) == "table" and answer.error
  local message = type(told) == "table" and told.message or text
  return res.status, answer, string.format("%s %s: %d: %s", method, address, res.status, message)
end

local function demand(options, method, address, body)
  local status, answer, why = ask(options, method, address, body)
  if status >= 300 then error(why, 0) end
  return answer or {}
end

local function zone_of(options, fqdn)
  local base = options.HETZNER_API_TOKEN and cloud or console
  for _, name in ipairs(dns.parents(fqdn)) do
    local address = base .. "/zones?name=" .. url.encode(name)
    local status, answer, why = ask(options, "GET", address)
    -- The older API says of no zone that it is not found.
    if status ~= 404 and status >= 300 then error(why, 0) end
    local zone = status < 300 and answer.zones and answer.zones[1]
    if zone then return zone, name end
  end
  error("no zone of this account holds " .. fqdn, 0)
end

-- Waits until what an answer has begun is done.
local function finish(options, answer)
  local action = answer.action
  local patience = options.HETZNER_PROPAGATION_TIMEOUT
  while action and action.status == "running" do
    if patience <= 0 then error("the change is not done in time", 0) end
    time.sleep(options.HETZNER_POLLING_INTERVAL)
    patience = patience - math.max(options.HETZNER_POLLING_INTERVAL, 0.1)
    local address = cloud .. "/actions/" .. string.format("%d", action.id)
    action = demand(options, "GET", address).action
  end
  if action and action.status == "error" then
    error("the change failed: " .. tostring(action.error and action.error.message), 0)
  end
end

local function change_set(options, challenge, action)
  local zone, name = zone_of(options, challenge.fqdn)
  local relative = dns.relative(challenge.fqdn, name)
  local address = string.format(
    "%s/zones/%d/rrsets/%s/TXT/actions/%s", cloud, zone.id, relative, action
  )
  local body = { records = { { value = '"' .. challenge.value .. '"' } } }
  if action == "add_records" then body.ttl = options.HETZNER_TTL end
  local status, answer, why = ask(options, "POST", address, body)
  -- What is not there need not be taken away.
  if action == "remove_records" and status == 404 then return end
  if status >= 300 then error(why, 0) end
  finish(options, answer or {})
end

return {
  name = "Hetzner",

  schema = {
    HETZNER_API_TOKEN = {
      type = "secret", doc = "A token of the project that holds the zone, which may write.",
    },
    HETZNER_API_KEY = {
      type = "secret", doc = "In the token's place, one of the former DNS Console.",
    },
    HETZNER_TTL = {
      type = "integer", default = 60, min = 60,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    HETZNER_PROPAGATION_TIMEOUT = {
      type = "duration", default = 120, doc = "How long the record may take to be seen.",
    },
    HETZNER_POLLING_INTERVAL = {
      type = "duration", default = 2, doc = "How often to look for it.",
    },
    HETZNER_HTTP_TIMEOUT = {
      type = "duration", default = 30, doc = "How long a request may take.",
    },
  },

  setup = function(options)
    if not (options.HETZNER_API_TOKEN or options.HETZNER_API_KEY) then
      error("HETZNER_API_TOKEN is missing", 0)
    end
  end,

  present = function(challenge, ctx)
    local options = ctx.options
    if options.HETZNER_API_TOKEN then return change_set(options, challenge, "add_records") end
    local zone, name = zone_of(options, challenge.fqdn)
    demand(options, "POST", console .. "/records", {
      type = "TXT", name = dns.relative(challenge.fqdn, name), value = challenge.value,
      ttl = options.HETZNER_TTL, zone_id = zone.id,
    })
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    if options.HETZNER_API_TOKEN then return change_set(options, challenge, "remove_records") end
    local zone, name = zone_of(options, challenge.fqdn)
    local relative = dns.relative(challenge.fqdn, name)
    local all = demand(options, "GET", console .. "/records?zone_id=" .. url.encode(zone.id))
    for _, record in ipairs(all.records or {}) do
      local same = record.type == "TXT" and record.name == relative
      if same and string.gsub(record.value, '"', "") == challenge.value then
        demand(options, "DELETE", console .. "/records/" .. url.encode(record.id))
      end
    end
  end,
}
