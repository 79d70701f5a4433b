-- DigitalOcean, by version 2 of its API.

-- The numbers of records that were set: a token need not be allowed to look at them.
local numbers = store.open("numbers")

local function key_of(challenge) return challenge.fqdn .. " " .. challenge.value end

-- Asks the API: the status, the answer, and what it says in words.
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
  local text = res:body()
  local answer = text ~= "" and json.decode(text) or nil
  local message = type(answer) == "table" and answer.message or text
  local told = string.format("%s %s: status %d: %s", method, path, res.status, message)
  return res.status, answer, told
end

-- Does something in the zone that holds a name: in the nearest one that the account has.
local function in_zone(options, fqdn, work)
  for _, zone in ipairs(dns.parents(fqdn)) do
    local status, answer, why = work("/v2/domains/" .. zone .. "/records", zone)
    if status < 300 then return answer, zone end
    if status ~= 404 then error(why, 0) end
  end
  error("no domain of this account holds " .. fqdn, 0)
end

local function delete(options, path)
  local status, _, why = ask(options, "DELETE", path)
  if status >= 300 and status ~= 404 then error(why, 0) end
end

return {
  name = "DigitalOcean",

  schema = {
    DO_AUTH_TOKEN = {
      type = "secret", required = true,
      doc = "A token with the scopes domain:create and domain:delete, and better domain:read too.",
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
    local answer, zone = in_zone(options, challenge.fqdn, function(path, zone)
      return ask(options, "POST", path, {
        type = "TXT", name = dns.relative(challenge.fqdn, zone), data = challenge.value,
        ttl = options.DO_TTL,
      })
    end)
    local number = string.format("%d", answer.domain_record.id)
    numbers:set(key_of(challenge), "/v2/domains/" .. zone .. "/records/" .. number)
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local known = numbers:get(key_of(challenge))
    if known then
      delete(options, known)
      numbers:del(key_of(challenge))
      return
    end
    local name = string.gsub(challenge.fqdn, "%.$", "")
    local query = "?type=TXT&per_page=200&name=" .. url.encode(name)
    local found, zone = in_zone(options, challenge.fqdn, function(path)
      return ask(options, "GET", path .. query)
    end)
    for _, record in ipairs(found.domain_records or {}) do
      if record.data == challenge.value then
        delete(options, "/v2/domains/" .. zone .. "/records/" .. string.format("%d", record.id))
      end
    end
  end,
}
