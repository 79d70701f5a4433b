-- Amazon Route 53. Requests are signed (signature version 4) with keys that are found where
-- Amazon's own programs look for them.

-- ---------------------------------------------------------------------------------- signatures

local function hash(text) return crypto.sha256(text, "hex") end

-- Headers that allow a request; `at` has url, host, path, query, region and service.
local function signed(keys, method, at, body)
  local stamp = os.date("!%Y%m%dT%H%M%SZ")
  local day = string.sub(stamp, 1, 8)
  local headers = { host = at.host, ["x-amz-date"] = stamp }
  if keys.token then headers["x-amz-security-token"] = keys.token end
  local names, lines = {}, {}
  for name in pairs(headers) do table.insert(names, name) end
  table.sort(names)
  for _, name in ipairs(names) do table.insert(lines, name .. ":" .. headers[name]) end
  local list = table.concat(names, ";")
  local request = table.concat({
    method, at.path, at.query, table.concat(lines, "\n"), "", list, hash(body),
  }, "\n")
  local scope = table.concat({ day, at.region, at.service, "aws4_request" }, "/")
  local text = table.concat({ "AWS4-HMAC-SHA256", stamp, scope, hash(request) }, "\n")
  local key = "AWS4" .. keys.secret
  for _, part in ipairs({ day, at.region, at.service, "aws4_request" }) do
    key = crypto.hmac("sha256", key, part)
  end
  headers.host = nil
  headers["authorization"] = string.format(
    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
    keys.id, scope, list, crypto.hmac("sha256", key, text, "hex")
  )
  return headers
end

-- ------------------------------------------------------------------------------------- answers

-- The first element of a name within an element, and its text.
local function find(element, name)
  for _, inner in ipairs(element) do
    if inner.name == name then return inner end
    local deeper = find(inner, name)
    if deeper then return deeper end
  end
  return nil
end

local function text_of(element, name)
  local found = element and find(element, name)
  return found and found.text
end

-- Sends a request; what the server may take up again later is sent again.
local function send(options, method, at, headers, body)
  local pause, tries = 0.4, options.AWS_MAX_RETRIES
  while true do
    local res, why = http.fetch(at.url, {
      method = method, headers = headers(), body = body, timeout = "30s",
    })
    local text = res and res:body()
    local root = text and xml.decode(text)
    if res and res.status < 300 then return root or {}, text end
    local code = text_of(root, "Code")
    local again = not res or res.status >= 500 or res.status == 429 or code == "Throttling"
      or code == "PriorRequestNotComplete"
    tries = tries - 1
    if not again or tries <= 0 then
      local told = res and string.format("status %d: %s", res.status,
        root and (code or "") .. " " .. (text_of(root, "Message") or "") or text)
      error(string.format("%s %s: %s", method, at.path, told or why), 0)
    end
    time.sleep(pause)
    pause = math.min(pause * 2, 30)
  end
end

-- ---------------------------------------------------------------------------------------- keys

-- Where a region's services are.
local function partition(options)
  local region = options.AWS_REGION
  if string.sub(region, 1, 3) == "cn-" then
    return { dns = "route53.amazonaws.com.cn", region = "cn-northwest-1", ending = ".com.cn" }
  elseif string.sub(region, 1, 7) == "us-gov-" then
    return { dns = "route53.us-gov.amazonaws.com", region = "us-gov-west-1", ending = ".com" }
  end
  return { dns = "route53.amazonaws.com", region = "us-east-1", ending = ".com" }
end

-- Asks the security token service for keys.
local function role_keys(options, keys, parameters)
  local host = "sts." .. options.AWS_REGION .. ".amazonaws" .. partition(options).ending
  local at = {
    url = "https://" .. host .. "/", host = host, path = "/", query = "",
    region = options.AWS_REGION, service = "sts",
  }
  local pairs_of = { "Version=2011-06-15", "RoleSessionName=moongate" }
  for name, value in pairs(parameters) do
    table.insert(pairs_of, name .. "=" .. url.encode(value))
  end
  table.sort(pairs_of)
  local body = table.concat(pairs_of, "&")
  local root = send(options, "POST", at, function()
    local headers = keys and signed(keys, "POST", at, body) or {}
    headers["content-type"] = "application/x-www-form-urlencoded"
    return headers
  end, body)
  return {
    id = text_of(root, "AccessKeyId"), secret = text_of(root, "SecretAccessKey"),
    token = text_of(root, "SessionToken"),
  }
end

-- The keys of a profile in a file of credentials.
local function profile_keys(options)
  local path = options.AWS_SHARED_CREDENTIALS_FILE
  if not path and options.HOME then path = options.HOME .. "/.aws/credentials" end
  local text, why = machine.read(path or "")
  if not text then
    if options.AWS_SHARED_CREDENTIALS_FILE then
      error("AWS_SHARED_CREDENTIALS_FILE: " .. why, 0)
    end
    return nil
  end
  local found, here = {}, false
  for line in string.gmatch(text, "[^\r\n]+") do
    local section = string.match(line, "^%s*%[%s*(.-)%s*%]")
    if section then here = section == options.AWS_PROFILE end
    local name, value = string.match(line, "^%s*([%w_]+)%s*=%s*(.-)%s*$")
    if here and name then found[name] = value end
  end
  if not (found.aws_access_key_id and found.aws_secret_access_key) then return nil end
  return {
    id = found.aws_access_key_id, secret = found.aws_secret_access_key,
    token = found.aws_session_token,
  }
end

-- Keys that a container or a machine is given by its surroundings; their addresses are the link's.
local function ambient_keys(options)
  local client = http.client({ link_local = true })
  local function get(address, headers, method)
    local res, why = client:fetch(address, {
      headers = headers, method = method or "GET", timeout = "5s",
    })
    if not res then return nil, why end
    local text = res:body()
    if res.status ~= 200 then return nil, "status " .. res.status end
    return text
  end
  local text, why
  if options.AWS_CONTAINER_CREDENTIALS_FULL_URI then
    local token = options.AWS_CONTAINER_AUTHORIZATION_TOKEN
    text, why = get(options.AWS_CONTAINER_CREDENTIALS_FULL_URI, { Authorization = token })
  elseif options.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI then
    text, why = get("http://169.254.170.2" .. options.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, {})
  elseif not options.AWS_EC2_METADATA_DISABLED then
    local base = "http://169.254.169.254/latest"
    local pass = { ["X-aws-ec2-metadata-token-ttl-seconds"] = "300" }
    local session = get(base .. "/api/token", pass, "PUT")
    local headers = { ["X-aws-ec2-metadata-token"] = session }
    local place = base .. "/meta-data/iam/security-credentials/"
    local role
    role, why = get(place, headers)
    if role then text, why = get(place .. string.match(role, "[^\r\n]*"), headers) end
  end
  local keys = text and json.decode(text)
  if type(keys) == "table" and keys.AccessKeyId then
    return { id = keys.AccessKeyId, secret = keys.SecretAccessKey, token = keys.Token }
  end
  error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing, and nothing else has keys: "
    .. (why or "there are none"), 0)
end

local function own_keys(options)
  if options.AWS_ACCESS_KEY_ID then
    return {
      id = options.AWS_ACCESS_KEY_ID, secret = options.AWS_SECRET_ACCESS_KEY,
      token = options.AWS_SESSION_TOKEN,
    }
  end
  if options.AWS_WEB_IDENTITY_TOKEN_FILE then
    local token, why = machine.read(options.AWS_WEB_IDENTITY_TOKEN_FILE)
    if not token then error("AWS_WEB_IDENTITY_TOKEN_FILE: " .. why, 0) end
    return role_keys(options, nil, {
      Action = "AssumeRoleWithWebIdentity", RoleArn = options.AWS_ROLE_ARN,
      WebIdentityToken = token,
    })
  end
  return profile_keys(options) or ambient_keys(options)
end

local function find_keys(options)
  local keys = own_keys(options)
  if not options.AWS_ASSUME_ROLE_ARN then return keys end
  return role_keys(options, keys, {
    Action = "AssumeRole", RoleArn = options.AWS_ASSUME_ROLE_ARN,
    ExternalId = options.AWS_EXTERNAL_ID,
  })
end

-- ------------------------------------------------------------------------------------- records

local function ask(options, keys, method, path, query, body)
  local where = partition(options)
  local at = {
    url = "https://" .. where.dns .. "/2013-04-01" .. path .. (query ~= "" and "?" .. query or ""),
    host = where.dns, path = "/2013-04-01" .. path, query = query, region = where.region,
    service = "route53",
  }
  return send(options, method, at, function() return signed(keys, method, at, body or "") end, body)
end

local function zone_of(options, keys, fqdn)
  if options.AWS_HOSTED_ZONE_ID then return options.AWS_HOSTED_ZONE_ID end
  for _, name in ipairs(dns.parents(fqdn)) do
    local root = ask(options, keys, "GET", "/hostedzonesbyname", "dnsname=" .. url.encode(name))
    for _, zone in ipairs(find(root, "HostedZones") or {}) do
      local private = text_of(zone, "PrivateZone") == "true"
      if text_of(zone, "Name") == name .. "." and private == options.AWS_PRIVATE_ZONE then
        return (string.gsub(text_of(zone, "Id"), "^/hostedzone/", ""))
      end
    end
  end
  error("no hosted zone of this account holds " .. fqdn, 0)
end

-- The texts of a name as they are written there, with quotes.
local function values_of(options, keys, zone, fqdn)
  local query = "maxitems=1&name=" .. url.encode(fqdn) .. "&type=TXT"
  local root = ask(options, keys, "GET", "/hostedzone/" .. zone .. "/rrset", query)
  local set = find(root, "ResourceRecordSet")
  local values = {}
  if set and text_of(set, "Name") == fqdn and text_of(set, "Type") == "TXT" then
    for _, record in ipairs(find(set, "ResourceRecords") or {}) do
      table.insert(values, text_of(record, "Value"))
    end
  end
  return values, tonumber(set and text_of(set, "TTL"))
end

local function change(options, keys, zone, fqdn, action, values, ttl)
  local records = {}
  for _, value in ipairs(values) do
    local one = "<ResourceRecord><Value>" .. xml.escape(value) .. "</Value></ResourceRecord>"
    table.insert(records, one)
  end
  local body = '<?xml version="1.0" encoding="UTF-8"?>'
    .. '<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
    .. "<ChangeBatch><Changes><Change><Action>" .. action .. "</Action><ResourceRecordSet><Name>"
    .. xml.escape(fqdn) .. "</Name><Type>TXT</Type><TTL>" .. string.format("%d", ttl)
    .. "</TTL><ResourceRecords>" .. table.concat(records) .. "</ResourceRecords>"
    .. "</ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
  local root = ask(options, keys, "POST", "/hostedzone/" .. zone .. "/rrset", "", body)
  local id = string.gsub(text_of(root, "Id") or "", "^/change/", "")
  local patience = options.AWS_PROPAGATION_TIMEOUT
  while options.AWS_WAIT_FOR_RECORD_SETS_CHANGED and text_of(root, "Status") ~= "INSYNC" do
    if patience <= 0 then error("the change " .. id .. " is not in sync in time", 0) end
    time.sleep(options.AWS_POLLING_INTERVAL)
    patience = patience - math.max(options.AWS_POLLING_INTERVAL, 0.1)
    root = ask(options, keys, "GET", "/change/" .. id, "")
  end
end

return {
  name = "Amazon Route 53",

  schema = {
    doc = "Keys are taken from the first of: `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY`, a "
      .. "web identity (as Kubernetes gives pods), a profile in a file, the container, the "
      .. "machine.",
    AWS_ACCESS_KEY_ID = { type = "string", doc = "The id of a key." },
    AWS_SECRET_ACCESS_KEY = { type = "secret", doc = "The key." },
    AWS_SESSION_TOKEN = { type = "secret", doc = "The token of keys that are for a while." },
    AWS_ROLE_ARN = { type = "string", doc = "The role of a web identity." },
    AWS_WEB_IDENTITY_TOKEN_FILE = {
      type = "string", doc = "The file of a web identity's token.",
    },
    AWS_SHARED_CREDENTIALS_FILE = {
      type = "string", doc = "A file of keys by profile; `~/.aws/credentials` without it.",
    },
    HOME = { type = "string", doc = "Where `.aws/credentials` is looked for." },
    AWS_PROFILE = { type = "string", default = "default", doc = "The profile in the file." },
    AWS_CONTAINER_CREDENTIALS_FULL_URI = {
      type = "string", doc = "Where a container gets keys, as Amazon sets it.",
    },
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = {
      type = "string", doc = "Where a container gets keys, as Amazon sets it.",
    },
    AWS_CONTAINER_AUTHORIZATION_TOKEN = {
      type = "secret", doc = "What a container shows for them, as Amazon sets it.",
    },
    AWS_EC2_METADATA_DISABLED = {
      type = "boolean", default = false, doc = "Whether the machine is not asked for keys.",
    },
    AWS_ASSUME_ROLE_ARN = { type = "string", doc = "A role that is taken with these keys." },
    AWS_EXTERNAL_ID = { type = "string", doc = "What the role's owner asks for." },
    AWS_REGION = {
      type = "string", default = "us-east-1",
      doc = "The region; it says which of Amazon's clouds is meant.",
    },
    AWS_HOSTED_ZONE_ID = { type = "string", doc = "The zone, which is looked for without it." },
    AWS_PRIVATE_ZONE = {
      type = "boolean", default = false, doc = "Whether private zones are meant, and no others.",
    },
    AWS_WAIT_FOR_RECORD_SETS_CHANGED = {
      type = "boolean", default = true, doc = "Whether to wait until all of its servers know.",
    },
    AWS_MAX_RETRIES = {
      type = "integer", default = 5, min = 1, doc = "How often a request is sent at most.",
    },
    AWS_TTL = {
      type = "integer", default = 10, min = 0,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    AWS_PROPAGATION_TIMEOUT = {
      type = "duration", default = 120, doc = "How long the record may take to be seen.",
    },
    AWS_POLLING_INTERVAL = { type = "duration", default = 4, doc = "How often to look for it." },
  },

  setup = function(options)
    if (options.AWS_ACCESS_KEY_ID == nil) ~= (options.AWS_SECRET_ACCESS_KEY == nil) then
      error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together", 0)
    end
    if options.AWS_WEB_IDENTITY_TOKEN_FILE and not options.AWS_ROLE_ARN then
      error("AWS_ROLE_ARN is missing", 0)
    end
  end,

  present = function(challenge, ctx)
    local options, value = ctx.options, '"' .. challenge.value .. '"'
    local keys = find_keys(options)
    local zone = zone_of(options, keys, challenge.fqdn)
    local values = values_of(options, keys, zone, challenge.fqdn)
    if not table.find(values, value) then table.insert(values, value) end
    change(options, keys, zone, challenge.fqdn, "UPSERT", values, options.AWS_TTL)
  end,

  cleanup = function(challenge, ctx)
    local options, value = ctx.options, '"' .. challenge.value .. '"'
    local keys = find_keys(options)
    local zone = zone_of(options, keys, challenge.fqdn)
    local values, ttl = values_of(options, keys, zone, challenge.fqdn)
    local place = table.find(values, value)
    if not place then return end
    if #values == 1 then
      -- What is deleted must be told as it is.
      change(options, keys, zone, challenge.fqdn, "DELETE", values, ttl or options.AWS_TTL)
      return
    end
    table.remove(values, place)
    change(options, keys, zone, challenge.fqdn, "UPSERT", values, ttl or options.AWS_TTL)
  end,
}
