-- Cloudflare, by version 4 of its API.

-- Both prefixes are known: CF_API_KEY is CLOUDFLARE_API_KEY, CF_TTL is CLOUDFLARE_TTL.

-- Asks the API and returns what it says, or nil and the code and text of its first error.
local function ask(options, token, method, path, body)
  local headers = { ["Content-Type"] = "application/json" }
  if token then
    headers["Authorization"] = "Bearer " .. token
  else
    headers["X-Auth-Email"] = options.CF_API_EMAIL
    headers["X-Auth-Key"] = options.CF_API_KEY
  end
  local res, why = http.fetch(options.CLOUDFLARE_BASE_URL .. path, {
    method = method,
    headers = headers,
    body = body and json.encode(body),
    timeout = options.CLOUDFLARE_HTTP_TIMEOUT,
  })
  if not res then error(method .. " " .. path .. ": " .. why, 0) end
  local answer = json.decode(res:body())
  if type(answer) ~= "table" then
    error(string.format("%s %s: status %d without JSON", method, path, res.status), 0)
  end
  if answer.success then return answer.result end
  local first = answer.errors and answer.errors[1] or {}
  local text = string.format(
    "%s %s: status %d: %s (%s)", method, path, res.status,
    tostring(first.message), tostring(first.code)
  )
  return nil, first.code, text
end

local function zone_of(options, fqdn)
  local token = options.CF_ZONE_API_TOKEN or options.CF_DNS_API_TOKEN
  for _, name in ipairs(dns.parents(fqdn)) do
    local zones, _, why = ask(options, token, "GET", "/zones?name=" .. url.encode(name))
    if not zones then error(why, 0) end
    if zones[1] then return zones[1].id end
  end
  error("no zone of this account holds " .. fqdn, 0)
end

local identical = 81058

return {
  name = "Cloudflare",

  schema = {
    doc = "Either `CF_DNS_API_TOKEN`, a token that may edit the zone's records and read the zone, "
      .. "or `CF_API_EMAIL` with `CF_API_KEY`, the account's global key.",
    CF_DNS_API_TOKEN = {
      type = "secret", aliases = { "CLOUDFLARE_DNS_API_TOKEN" },
      doc = "A token with the permission DNS:Edit.",
    },
    CF_ZONE_API_TOKEN = {
      type = "secret", aliases = { "CLOUDFLARE_ZONE_API_TOKEN" },
      doc = "A token with the permission Zone:Read, where the other token does not have it.",
    },
    CF_API_EMAIL = {
      type = "string", aliases = { "CLOUDFLARE_EMAIL" }, doc = "The account's address of mail.",
    },
    CF_API_KEY = {
      type = "secret", aliases = { "CLOUDFLARE_API_KEY" }, doc = "The account's global key.",
    },
    CLOUDFLARE_BASE_URL = {
      type = "string", default = "https://api.cloudflare.com/client/v4",
      doc = "Where the API is.",
    },
    CLOUDFLARE_TTL = {
      type = "integer", default = 120, min = 120, aliases = { "CF_TTL" },
      doc = "Seconds that the record may be kept by resolvers.",
    },
    CLOUDFLARE_PROPAGATION_TIMEOUT = {
      type = "duration", default = 120, aliases = { "CF_PROPAGATION_TIMEOUT" },
      doc = "How long the record may take to be seen.",
    },
    CLOUDFLARE_POLLING_INTERVAL = {
      type = "duration", default = 2, aliases = { "CF_POLLING_INTERVAL" },
      doc = "How often to look for it.",
    },
    CLOUDFLARE_HTTP_TIMEOUT = {
      type = "duration", default = 30, aliases = { "CF_HTTP_TIMEOUT" },
      doc = "How long a request may take.",
    },
  },

  setup = function(options)
    local account = options.CF_API_EMAIL and options.CF_API_KEY
    if not (options.CF_DNS_API_TOKEN or account) then
      error("CF_DNS_API_TOKEN is missing, or CF_API_EMAIL and CF_API_KEY are", 0)
    end
  end,

  present = function(challenge, ctx)
    local options = ctx.options
    local zone = zone_of(options, challenge.fqdn)
    local record = {
      type = "TXT",
      name = string.gsub(challenge.fqdn, "%.$", ""),
      content = '"' .. challenge.value .. '"',
      ttl = options.CLOUDFLARE_TTL,
    }
    local path = "/zones/" .. zone .. "/dns_records"
    local done, code, why = ask(options, options.CF_DNS_API_TOKEN, "POST", path, record)
    if not done and code ~= identical then error(why, 0) end
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local path = "/zones/" .. zone_of(options, challenge.fqdn) .. "/dns_records"
    local name = string.gsub(challenge.fqdn, "%.$", "")
    local query = "?type=TXT&per_page=100&name=" .. url.encode(name)
    local records, _, why = ask(options, options.CF_DNS_API_TOKEN, "GET", path .. query)
    if not records then error(why, 0) end
    for _, record in ipairs(records) do
      if string.gsub(record.content, '"', "") == challenge.value then
        local one = path .. "/" .. record.id
        local done, _, failure = ask(options, options.CF_DNS_API_TOKEN, "DELETE", one)
        if not done then error(failure, 0) end
      end
    end
  end,
}
