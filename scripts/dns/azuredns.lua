-- Azure DNS. A name's texts are one set, which is read, changed and written. Who may do so is found
-- in several ways, as Azure's own programs do.

local clouds = {
  public = { login = "https://login.microsoftonline.com", arm = "https://management.azure.com" },
  china = { login = "https://login.chinacloudapi.cn", arm = "https://management.chinacloudapi.cn" },
  usgovernment = {
    login = "https://login.microsoftonline.us", arm = "https://management.usgovcloudapi.net",
  },
}

local function cloud_of(options) return clouds[options.AZURE_ENVIRONMENT] end

local function fetch(what, address, asked, client)
  asked.timeout = asked.timeout or "30s"
  local res, why
  if client then
    res, why = client:fetch(address, asked)
  else
    res, why = http.fetch(address, asked)
  end
  if not res then return nil, nil, what .. ": " .. why end
  local text = res:body()
  local answer = text ~= "" and json.decode(text) or nil
  local message = text
  if type(answer) == "table" and answer.error then
    local failure = answer.error
    message = type(failure) == "table" and failure.message or answer.error_description or failure
  end
  return res, answer, string.format("%s: status %d: %s", what, res.status, tostring(message))
end

-- --------------------------------------------------------------------------------------- tokens

-- Exchanges proofs for a token at the tenant.
local function login(options, proofs)
  local authority = options.AZURE_AUTHORITY_HOST or cloud_of(options).login
  local address = string.gsub(authority, "/+$", "") .. "/" .. url.encode(options.AZURE_TENANT_ID)
    .. "/oauth2/v2.0/token"
  local form = {
    grant_type = "client_credentials", client_id = options.AZURE_CLIENT_ID,
    scope = cloud_of(options).arm .. "/.default",
  }
  for name, value in pairs(proofs) do form[name] = value end
  local parts = {}
  for name, value in pairs(form) do table.insert(parts, name .. "=" .. url.encode(value)) end
  table.sort(parts)
  local res, answer, why = fetch("login", address, {
    method = "POST", headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = table.concat(parts, "&"),
  })
  if not res or res.status ~= 200 or not answer.access_token then error(why, 0) end
  return answer.access_token
end

local function assertion(token)
  return {
    client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion = token,
  }
end

-- What a certificate proves: that its key can sign.
local function by_certificate(options)
  local path = options.AZURE_CLIENT_CERTIFICATE_PATH
  local pem, why = machine.read(path)
  if not pem then error("AZURE_CLIENT_CERTIFICATE_PATH: " .. why, 0) end
  local body = string.match(pem, "%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-(.-)%-%-%-%-%-END")
  local der = body and base64.decode((string.gsub(body, "%s", "")))
  if not der then
    error("AZURE_CLIENT_CERTIFICATE_PATH: " .. path .. " holds no certificate as PEM text", 0)
  end
  local now = math.floor(os.time())
  local audience = cloud_of(options).login .. "/" .. options.AZURE_TENANT_ID .. "/oauth2/v2.0/token"
  local head = json.encode({ alg = "RS256", typ = "JWT", x5t = crypto.sha1(der, "base64url") })
  local claims = json.encode({
    aud = audience, iss = options.AZURE_CLIENT_ID, sub = options.AZURE_CLIENT_ID,
    jti = hex.encode(crypto.random_bytes(16)), nbf = now, exp = now + 600,
  })
  local text = base64.encode(head, "base64url") .. "." .. base64.encode(claims, "base64url")
  return login(options, assertion(text .. "." .. crypto.sign("RS256", pem, text, "base64url")))
end

local function by_environment(options)
  if options.AZURE_CLIENT_SECRET then
    return login(options, { client_secret = options.AZURE_CLIENT_SECRET })
  end
  return by_certificate(options)
end

local function by_workload(options)
  local token, why = machine.read(options.AZURE_FEDERATED_TOKEN_FILE)
  if not token then error("AZURE_FEDERATED_TOKEN_FILE: " .. why, 0) end
  return login(options, assertion((string.gsub(token, "%s+$", ""))))
end

-- A token of the machine's identity; addresses are the link's. An agent outside of the cloud wants
-- to be shown a file that only its own users can read.
local function by_machine(options)
  local client = http.client({ link_local = true })
  local address, headers = "http://169.254.169.254/metadata/identity/oauth2/token", {}
  local version = "2018-02-01"
  if options.IDENTITY_ENDPOINT then
    address = options.IDENTITY_ENDPOINT
    version = options.IDENTITY_HEADER and "2019-08-01" or "2019-11-01"
    headers["X-IDENTITY-HEADER"] = options.IDENTITY_HEADER
  end
  headers["Metadata"] = "true"
  local query = "?api-version=" .. version .. "&resource=" .. url.encode(cloud_of(options).arm)
  if options.AZURE_CLIENT_ID then
    query = query .. "&client_id=" .. url.encode(options.AZURE_CLIENT_ID)
  end
  local asked = { headers = headers, timeout = options.AZURE_AUTH_MSI_TIMEOUT }
  local res, answer, why = fetch("the machine's identity", address .. query, asked, client)
  local path = res and res.status == 401
    and string.match(res.headers["WWW-Authenticate"] or "", "^Basic realm=(.+)$")
  if path then
    local key, failure = machine.read(path)
    if not key then error("the machine's identity: " .. failure, 0) end
    headers["Authorization"] = "Basic " .. key
    res, answer, why = fetch("the machine's identity", address .. query, asked, client)
  end
  if not res or res.status ~= 200 or not answer.access_token then return nil, why end
  return answer.access_token
end

local function by_program(options)
  local arguments = {
    "account", "get-access-token", "--output", "json", "--resource", cloud_of(options).arm,
  }
  if options.AZURE_TENANT_ID then
    table.insert(arguments, "--tenant")
    table.insert(arguments, options.AZURE_TENANT_ID)
  end
  local ran, why = machine.run("az", arguments)
  if not ran then return nil, "az: " .. why end
  local answer = ran.status == 0 and json.decode(ran.output)
  if type(answer) ~= "table" or not answer.accessToken then return nil, "az: " .. ran.output end
  return answer.accessToken
end

local function by_oidc(options)
  local token = options.AZURE_OIDC_TOKEN
  if not token and options.AZURE_OIDC_TOKEN_FILE_PATH then
    local text, why = machine.read(options.AZURE_OIDC_TOKEN_FILE_PATH)
    if not text then error("AZURE_OIDC_TOKEN_FILE_PATH: " .. why, 0) end
    token = text
  end
  if not token then
    local address = options.AZURE_OIDC_REQUEST_URL
    if not string.find(address, "[?&]audience=") then
      address = address .. (string.find(address, "?", 1, true) and "&" or "?")
        .. "audience=" .. url.encode("api://AzureADTokenExchange")
    end
    local res, answer, why = fetch("AZURE_OIDC_REQUEST_URL", address, {
      headers = { ["Authorization"] = "Bearer " .. options.AZURE_OIDC_REQUEST_TOKEN },
    })
    if not res or res.status ~= 200 or not answer.value then error(why, 0) end
    token = answer.value
  end
  return login(options, assertion((string.gsub(token, "%s+$", ""))))
end

-- What each way needs, in the order in which they are tried.
local ways = {
  {
    name = "env", take = by_environment, needs = { "AZURE_CLIENT_ID", "AZURE_TENANT_ID" },
    either = { "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH" },
  },
  {
    name = "wli", take = by_workload,
    needs = { "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE" },
  },
  {
    name = "oidc", take = by_oidc, needs = { "AZURE_CLIENT_ID", "AZURE_TENANT_ID" },
    either = { "AZURE_OIDC_TOKEN", "AZURE_OIDC_TOKEN_FILE_PATH", "AZURE_OIDC_REQUEST_URL" },
    asked_for = true,
  },
  { name = "msi", take = by_machine, needs = {} },
  { name = "cli", take = by_program, needs = {} },
}

-- What a way misses, nil if nothing.
local function missing(way, options)
  for _, name in ipairs(way.needs) do
    if not options[name] then return name end
  end
  for _, name in ipairs(way.either or {}) do
    if options[name] then return nil end
  end
  return way.either and table.concat(way.either, " or ")
end

local function token_of(options)
  local failures = {}
  for _, way in ipairs(ways) do
    local wanted = options.AZURE_AUTH_METHOD
    local may = wanted == way.name or not wanted and not way.asked_for and not missing(way, options)
    if may then
      local token, why = way.take(options)
      if token then return token end
      table.insert(failures, why)
    end
  end
  error("nobody gives a token: " .. table.concat(failures, "; "), 0)
end

-- -------------------------------------------------------------------------------------- records

local function ask(options, token, method, path, body)
  local res, answer, why = fetch(method .. " " .. path, cloud_of(options).arm .. path, {
    method = method,
    headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" },
    body = body and json.encode(body),
  })
  if not res then error(why, 0) end
  return res.status, answer, why
end

local function quoted(text) return '"' .. string.gsub(text, '[\\"]', "\\%0") .. '"' end

-- The zone around a name: the nearest one that this identity can see.
local function zone_of(options, token, fqdn)
  local names = {}
  for _, name in ipairs(dns.parents(fqdn)) do
    if not options.AZURE_ZONE_NAME or name == options.AZURE_ZONE_NAME then
      table.insert(names, quoted(name))
    end
  end
  local kind = options.AZURE_PRIVATE_ZONE and "privatednszones" or "dnszones"
  local query = { "resources", 'where type =~ "microsoft.network/' .. kind .. '"' }
  if options.AZURE_SUBSCRIPTION_ID then
    table.insert(query, "where subscriptionId =~ " .. quoted(options.AZURE_SUBSCRIPTION_ID))
  end
  if options.AZURE_RESOURCE_GROUP then
    table.insert(query, "where resourceGroup =~ " .. quoted(options.AZURE_RESOURCE_GROUP))
  end
  if options.AZURE_SERVICEDISCOVERY_FILTER then
    table.insert(query, options.AZURE_SERVICEDISCOVERY_FILTER)
  end
  table.insert(query, "where name in~ (" .. table.concat(names, ", ") .. ")")
  table.insert(query, "project subscriptionId, resourceGroup, name")
  local path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"
  local status, answer, why = ask(options, token, "POST", path, {
    query = table.concat(query, " | "), options = { resultFormat = "objectArray" },
  })
  if status ~= 200 then error(why, 0) end
  local nearest
  for _, zone in ipairs(answer.data or {}) do
    if nearest and #zone.name == #nearest.name then
      error("there are two zones " .. zone.name .. "; AZURE_RESOURCE_GROUP tells them apart", 0)
    end
    if not nearest or #zone.name > #nearest.name then nearest = zone end
  end
  if not nearest then error("no zone that this identity can see holds " .. fqdn, 0) end
  return nearest
end

-- Where a name's texts are.
local function place_of(options, token, fqdn)
  local zone = zone_of(options, token, fqdn)
  local kind = options.AZURE_PRIVATE_ZONE and "privateDnsZones" or "dnsZones"
  local version = options.AZURE_PRIVATE_ZONE and "2020-06-01" or "2018-05-01"
  return string.format(
    "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/%s/%s/TXT/%s?api-version=%s",
    zone.subscriptionId, zone.resourceGroup, kind, zone.name, dns.relative(fqdn, zone.name), version
  )
end

-- The keys of a set's properties, which differ in their case between public and private zones.
local function keys_of(options)
  if options.AZURE_PRIVATE_ZONE then return "txtRecords", "ttl" end
  return "TXTRecords", "TTL"
end

-- Changes the texts of a name with a function, unless it returns nothing.
local function change(options, fqdn, work)
  local token = token_of(options)
  local path = place_of(options, token, fqdn)
  local records, ttl = keys_of(options)
  local status, set, why = ask(options, token, "GET", path)
  if status ~= 200 and status ~= 404 then error(why, 0) end
  local texts = {}
  for _, record in ipairs(status == 200 and set.properties[records] or {}) do
    table.insert(texts, table.concat(record.value))
  end
  if not work(texts) then return end
  local done, _, failure
  if texts[1] then
    local list = {}
    for _, text in ipairs(texts) do table.insert(list, { value = { text } }) end
    local properties = { [records] = list, [ttl] = options.AZURE_TTL }
    done, _, failure = ask(options, token, "PUT", path, { properties = properties })
  else
    done, _, failure = ask(options, token, "DELETE", path)
  end
  if done >= 300 then error(failure, 0) end
end

return {
  name = "Azure DNS",

  schema = {
    doc = "Without `AZURE_AUTH_METHOD`, what is set says who asks: a client with a secret or a "
      .. "certificate, a workload's identity, else the machine's, else that of `az login`.",
    AZURE_CLIENT_ID = { type = "string", doc = "The client's id." },
    AZURE_TENANT_ID = { type = "string", doc = "The tenant's id." },
    AZURE_CLIENT_SECRET = { type = "secret", doc = "The client's secret." },
    AZURE_CLIENT_CERTIFICATE_PATH = {
      type = "string", doc = "A file with the client's certificate and key as PEM text.",
    },
    AZURE_FEDERATED_TOKEN_FILE = {
      type = "string", doc = "The file of a workload's token, as Azure's webhook sets it.",
    },
    AZURE_AUTHORITY_HOST = {
      type = "string", doc = "Where clients log in, as the webhook sets it.",
    },
    AZURE_OIDC_TOKEN = { type = "secret", doc = "A token of another issuer that Azure trusts." },
    AZURE_OIDC_TOKEN_FILE_PATH = { type = "string", doc = "The file of such a token." },
    AZURE_OIDC_REQUEST_URL = {
      type = "string", aliases = { "ACTIONS_ID_TOKEN_REQUEST_URL", "ARM_OIDC_REQUEST_URL" },
      doc = "Where such a token is asked for.",
    },
    AZURE_OIDC_REQUEST_TOKEN = {
      type = "secret", aliases = { "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ARM_OIDC_REQUEST_TOKEN" },
      doc = "What is shown there.",
    },
    IDENTITY_ENDPOINT = {
      type = "string", doc = "Where the machine's identity is, as Azure sets it.",
    },
    IDENTITY_HEADER = { type = "secret", doc = "What is shown there, as Azure sets it." },
    AZURE_AUTH_METHOD = {
      type = "string", doc = "Who asks: `env`, `wli`, `msi`, `cli` or `oidc`.",
    },
    AZURE_AUTH_MSI_TIMEOUT = {
      type = "duration", default = 2, doc = "How long the machine may take to give a token.",
    },
    AZURE_ENVIRONMENT = {
      type = "enum", values = { "public", "usgovernment", "china" }, default = "public",
      doc = "Which of Azure's clouds is meant.",
    },
    AZURE_SUBSCRIPTION_ID = { type = "string", doc = "The subscription of the zone." },
    AZURE_RESOURCE_GROUP = { type = "string", doc = "The resource group of the zone." },
    AZURE_SERVICEDISCOVERY_FILTER = {
      type = "string", doc = "A condition on zones, in the language of the Resource Graph.",
    },
    AZURE_ZONE_NAME = { type = "string", doc = "The zone, which is looked for without it." },
    AZURE_PRIVATE_ZONE = {
      type = "boolean", default = false, doc = "Whether private zones are meant, and no others.",
    },
    AZURE_TTL = {
      type = "integer", default = 60, min = 1,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    AZURE_PROPAGATION_TIMEOUT = {
      type = "duration", default = 120, doc = "How long the record may take to be seen.",
    },
    AZURE_POLLING_INTERVAL = { type = "duration", default = 2, doc = "How often to look for it." },
  },

  setup = function(options)
    local wanted = options.AZURE_AUTH_METHOD
    if not wanted then return end
    for _, way in ipairs(ways) do
      if way.name == wanted then
        local lacks = missing(way, options)
        if lacks then
          error("AZURE_AUTH_METHOD is " .. wanted .. ", but not set is " .. lacks, 0)
        end
        if wanted == "oidc" and options.AZURE_OIDC_REQUEST_URL
          and not options.AZURE_OIDC_REQUEST_TOKEN then
          error("AZURE_OIDC_REQUEST_TOKEN is missing", 0)
        end
        return
      end
    end
    error("AZURE_AUTH_METHOD: " .. wanted .. " is not supported; env, wli, msi, cli, oidc are", 0)
  end,

  present = function(challenge, ctx)
    change(ctx.options, challenge.fqdn, function(texts)
      if table.find(texts, challenge.value) then return false end
      table.insert(texts, challenge.value)
      return true
    end)
  end,

  cleanup = function(challenge, ctx)
    change(ctx.options, challenge.fqdn, function(texts)
      local place = table.find(texts, challenge.value)
      if place then table.remove(texts, place) end
      return place ~= nil
    end)
  end,
}
