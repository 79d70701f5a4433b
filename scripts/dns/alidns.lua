-- Alibaba Cloud DNS. Requests are signed with ACS3-HMAC-SHA256 (version 3 of its signatures).

local version = "2015-01-09"

-- As RFC 3986 has it, which is what is signed.
local function query_of(parameters)
  local parts = {}
  for name, value in pairs(parameters) do
    if type(value) == "number" then value = string.format("%d", value) end
    table.insert(parts, url.encode(name) .. "=" .. url.encode(value))
  end
  table.sort(parts)
  return table.concat(parts, "&")
end

local function signed(keys, host, action, query)
  local headers = {
    host = host,
    ["x-acs-action"] = action,
    ["x-acs-version"] = version,
    ["x-acs-date"] = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    ["x-acs-signature-nonce"] = hex.encode(crypto.random_bytes(16)),
    ["x-acs-content-sha256"] = crypto.sha256("", "hex"),
    ["x-acs-security-token"] = keys.token,
  }
  local names, lines = {}, {}
  for name in pairs(headers) do table.insert(names, name) end
  table.sort(names)
  for _, name in ipairs(names) do table.insert(lines, name .. ":" .. headers[name] .. "\n") end
  local list = table.concat(names, ";")
  local request = table.concat({
    "POST", "/", query, table.concat(lines), list, headers["x-acs-content-sha256"],
  }, "\n")
  local text = "ACS3-HMAC-SHA256\n" .. crypto.sha256(request, "hex")
  headers["Authorization"] = string.format(
    "ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s",
    keys.id, list, crypto.hmac("sha256", keys.secret, text, "hex")
  )
  headers.host = nil
  return headers
end

-- The keys of the role that the machine has; its address is the link's.
local function role_keys(role)
  local client = http.client({ link_local = true })
  local base = "http://100.100.100.200/latest"
  local pass = client:fetch(base .. "/api/token", {
    method = "PUT", headers = { ["X-aliyun-ecs-metadata-token-ttl-seconds"] = "300" },
    timeout = "5s",
  })
  local token = pass and pass.status == 200 and pass:body() or nil
  local res, why = client:fetch(base .. "/meta-data/ram/security-credentials/" .. role, {
    headers = { ["X-aliyun-ecs-metadata-token"] = token }, timeout = "5s",
  })
  if not res then error("ALICLOUD_RAM_ROLE: " .. why, 0) end
  local keys = res.status == 200 and json.decode(res:body())
  if type(keys) ~= "table" or not keys.AccessKeyId then
    error("ALICLOUD_RAM_ROLE: the machine has no keys: status " .. res.status, 0)
  end
  return { id = keys.AccessKeyId, secret = keys.AccessKeySecret, token = keys.SecurityToken }
end

local function find_keys(options)
  if options.ALICLOUD_RAM_ROLE then return role_keys(options.ALICLOUD_RAM_ROLE) end
  return {
    id = options.ALICLOUD_ACCESS_KEY, secret = options.ALICLOUD_SECRET_KEY,
    token = options.ALICLOUD_SECURITY_TOKEN,
  }
end

local function ask(options, keys, action, parameters)
  local host = "alidns." .. options.ALICLOUD_REGION_ID .. ".aliyuncs.com"
  local query = query_of(parameters)
  local address = "https://" .. host .. "/" .. (query ~= "" and "?" .. query or "")
  local res, why = http.fetch(address, {
    method = "POST", headers = signed(keys, host, action, query),
    timeout = options.ALICLOUD_HTTP_TIMEOUT,
  })
  if not res then error(action .. ": " .. why, 0) end
  local text = res:body()
  local answer = json.decode(text)
  if res.status ~= 200 or type(answer) ~= "table" then
    local told = type(answer) == "table" and answer.Code and answer.Code .. ": " .. answer.Message
    error(string.format("%s: status %d: %s", action, res.status, told or text), 0)
  end
  return answer
end

-- All pages of a list, one element at a time.
local function each(options, keys, action, parameters, list, one, take)
  local page, seen = 1, 0
  repeat
    parameters.PageNumber = page
    local answer = ask(options, keys, action, parameters)
    local found = answer[list] and answer[list][one] or {}
    for _, element in ipairs(found) do take(element) end
    seen = seen + #found
    page = page + 1
  until #found == 0 or seen >= (answer.TotalCount or 0)
end

local function zone_of(options, keys, fqdn)
  local known = {}
  each(options, keys, "DescribeDomains", { PageSize = 100 }, "Domains", "Domain", function(domain)
    known[domain.PunyCode or domain.DomainName] = domain.DomainName
    known[domain.DomainName] = domain.DomainName
  end)
  for _, name in ipairs(dns.parents(fqdn)) do
    if known[name] then return known[name], name end
  end
  error("no domain of this account holds " .. fqdn, 0)
end

return {
  name = "Alibaba Cloud DNS",

  schema = {
    doc = "Either `ALICLOUD_ACCESS_KEY` with `ALICLOUD_SECRET_KEY`, or `ALICLOUD_RAM_ROLE`.",
    ALICLOUD_ACCESS_KEY = { type = "string", doc = "The id of a key." },
    ALICLOUD_SECRET_KEY = { type = "secret", doc = "The key." },
    ALICLOUD_SECURITY_TOKEN = { type = "secret", doc = "The token of keys that are for a while." },
    ALICLOUD_RAM_ROLE = { type = "string", doc = "The role of the machine, whose keys are used." },
    ALICLOUD_REGION_ID = {
      type = "string", default = "cn-hangzhou", doc = "The region that is asked.",
    },
    ALICLOUD_LINE = { type = "string", doc = "The line of the record." },
    ALICLOUD_TTL = {
      type = "integer", default = 600, min = 1,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    ALICLOUD_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    ALICLOUD_POLLING_INTERVAL = {
      type = "duration", default = 2, doc = "How often to look for it.",
    },
    ALICLOUD_HTTP_TIMEOUT = {
      type = "duration", default = 10, doc = "How long a request may take.",
    },
  },

  setup = function(options)
    local keys = options.ALICLOUD_ACCESS_KEY and options.ALICLOUD_SECRET_KEY
    if not (keys or options.ALICLOUD_RAM_ROLE) then
      error("ALICLOUD_ACCESS_KEY and ALICLOUD_SECRET_KEY are missing, or ALICLOUD_RAM_ROLE", 0)
    end
  end,

  present = function(challenge, ctx)
    local options = ctx.options
    local keys = find_keys(options)
    local zone, name = zone_of(options, keys, challenge.fqdn)
    ask(options, keys, "AddDomainRecord", {
      DomainName = zone, RR = dns.relative(challenge.fqdn, name), Type = "TXT",
      Value = challenge.value, TTL = options.ALICLOUD_TTL, Line = options.ALICLOUD_LINE,
    })
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local keys = find_keys(options)
    local zone, name = zone_of(options, keys, challenge.fqdn)
    local relative = dns.relative(challenge.fqdn, name)
    local ids = {}
    each(options, keys, "DescribeDomainRecords", {
      DomainName = zone, PageSize = 500, Type = "TXT", RRKeyWord = relative,
    }, "DomainRecords", "Record", function(record)
      local same = record.RR == relative and record.Type == "TXT"
      if same and record.Value == challenge.value then table.insert(ids, record.RecordId) end
    end)
    for _, id in ipairs(ids) do ask(options, keys, "DeleteDomainRecord", { RecordId = id }) end
  end,
}
