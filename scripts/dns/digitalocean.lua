-- DigitalOcean, by version 2 of its API.

local function ask(options, method, path, body)
  local res, why = http.fetch(string.gsub(options.DO_API_URL, "/+$", "") .. path, {
    method = method,
    headers = {
      ["Authorization"] = "Bearer " .. options.DO_AUTH_TOKEN,
      ["Content-Type"] = "application/json",
    },
    body = body and json.encode(body),
    timeout = options.DO_HTTP_TIMEOUT,
  })
  if not res then error(method .. " " .. path .. ": " .. why, 0) end
  return res.status, res:body()
end

local function demand(options, method, path, body)
  local status, text = ask(options, method, path, body)
  if status >= 300 then
    local answer = json.decode(text)
    local message = type(answer) == "table" and answer.message or text
    error(string.format("%s %s: status %d: %s", method, path, status, message), 0)
  end
  return text ~= "" and json.decode(text) or {}
end

local function zone_of(options, fqdn)
  for _, name in ipairs(dns.parents(fqdn)) do
    local status = ask(options, "GET", "/v2/domains/" .. name)
    if status == 200 then return name end
    if status ~= 404 then demand(options, "GET", "/v2/domains/" .. name) end
  end
  error("no domain of this account holds " .. fqdn, 0)
end

return {
  name = "DigitalOcean",

  schema = {
    DO_AUTH_TOKEN = {
      type = "secret", required = true,
      doc = "A token with the scopes domain:read, domain:create and domain:delete.",
    },
    DO_API_URL = {
      type = "string", default = "https://api.digitalocean.com", doc = "Where the API is.",
    },
    DO_TTL = {
      type = "integer", default = 30, doc = "Seconds that the record may be kept by resolvers.",
    },
    DO_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    DO_POLLING_INTERVAL = { type = "duration", default = 5, doc = "How often to look for it." },
    DO_HTTP_TIMEOUT = { type = "duration", default = 30, doc = "How long a request may take." },
  },

  present = function(challenge, ctx)
    local options = ctx.options
    local zone = zone_of(options, challenge.fqdn)
    demand(options, "POST", "/v2/domains/" .. zone .. "/records", {
      type = "TXT", name = dns.relative(challenge.fqdn, zone), data = challenge.value,
      ttl = options.DO_TTL,
    })
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local zone = zone_of(options, challenge.fqdn)
    local path = "/v2/domains/" .. zone .. "/records"
    local name = string.gsub(challenge.fqdn, "%.$", "")
    local query = "?type=TXT&per_page=200&name=" .. url.encode(name)
    local found = demand(options, "GET", path .. query)
    for _, record in ipairs(found.domain_records or {}) do
      if record.data == challenge.value then
        demand(options, "DELETE", path .. "/" .. string.format("%d", record.id))
      end
    end
  end,
}
