-- Google Cloud DNS. A name's texts are one set, which a change replaces as a whole.

local scope_dns = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
local scope_all = "https://www.googleapis.com/auth/cloud-platform"
local metadata = "http://metadata.google.internal/computeMetadata/v1/"

local function fetch(what, address, asked, client)
  asked.timeout = "30s"
  local res, why
  if client then
    res, why = client:fetch(address, asked)
  else
    res, why = http.fetch(address, asked)
  end
  if not res then error(what .. ": " .. why, 0) end
  local text = res:body()
  local answer = text ~= "" and json.decode(text) or nil
  return res.status, answer, text
end

-- What an answer says of a failure.
local function told(answer, text)
  local failure = type(answer) == "table" and answer.error
  if type(failure) == "table" then return failure.message or text end
  if failure then return tostring(failure) .. ": " .. tostring(answer.error_description) end
  return text
end

-- -------------------------------------------------------------------------------------- tokens

local function token_for(what, address, form)
  local parts = {}
  for name, value in pairs(form) do table.insert(parts, name .. "=" .. url.encode(value)) end
  table.sort(parts)
  local status, answer, text = fetch(what, address, {
    method = "POST", headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = table.concat(parts, "&"),
  })
  if status ~= 200 or type(answer) ~= "table" or not answer.access_token then
    error(string.format("%s: status %d: %s", what, status, told(answer, text)), 0)
  end
  return answer.access_token
end

-- The token of a service account, for which its key signs.
local function account_token(account, scope)
  local address = account.token_uri or "https://oauth2.googleapis.com/token"
  local now = math.floor(os.time())
  local head = json.encode({ alg = "RS256", typ = "JWT", kid = account.private_key_id })
  local claims = json.encode({
    iss = account.client_email, scope = scope, aud = address, iat = now, exp = now + 3600,
  })
  local text = base64.encode(head, "base64url") .. "." .. base64.encode(claims, "base64url")
  local signature = crypto.sign("RS256", account.private_key, text, "base64url")
  return token_for("the service account", address, {
    grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion = text .. "." .. signature,
  })
end

-- What the machine says of itself; its address is the link's.
local function of_machine(path)
  local client = http.client({ link_local = true })
  local status, answer, text = fetch("the metadata service", metadata .. path, {
    headers = { ["Metadata-Flavor"] = "Google" },
  }, client)
  if status ~= 200 then error("the metadata service: status " .. status, 0) end
  return answer, text
end

-- The text of an account, and the name of the variable that it is from.
local function account_of(options)
  local text, from = options.GCE_SERVICE_ACCOUNT, "GCE_SERVICE_ACCOUNT"
  if not text then
    text, from = options.GOOGLE_APPLICATION_CREDENTIALS, "GOOGLE_APPLICATION_CREDENTIALS"
  end
  if not text then return nil end
  local account = json.decode(text)
  if type(account) ~= "table" then error(from .. ": this is no JSON object", 0) end
  local kind = account.type or "service_account"
  if kind ~= "service_account" and kind ~= "authorized_user" then
    error(from .. ": credentials of the type " .. tostring(kind) .. " are not supported", 0)
  end
  local needed = kind == "service_account" and { "client_email", "private_key" }
    or { "client_id", "client_secret", "refresh_token" }
  for _, name in ipairs(needed) do
    if type(account[name]) ~= "string" then error(from .. ": " .. name .. " is missing", 0) end
  end
  return account
end

local function token_of(options, account)
  local email = options.GCE_IMPERSONATE_SERVICE_ACCOUNT
  local scope, token = email and scope_all or scope_dns, nil
  if not account then
    token = of_machine("instance/service-accounts/default/token?scopes=" .. url.encode(scope))
    token = token and token.access_token
  elseif account.type == "authorized_user" then
    token = token_for("the user's credentials", "https://oauth2.googleapis.com/token", {
      grant_type = "refresh_token", client_id = account.client_id,
      client_secret = account.client_secret, refresh_token = account.refresh_token,
    })
  else
    token = account_token(account, scope)
  end
  if not email then return token end
  local address = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    .. url.encode(email) .. ":generateAccessToken"
  local status, answer, text = fetch("GCE_IMPERSONATE_SERVICE_ACCOUNT", address, {
    method = "POST",
    headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" },
    body = json.encode({ scope = { scope_dns }, lifetime = "3600s" }),
  })
  if status ~= 200 then
    error("GCE_IMPERSONATE_SERVICE_ACCOUNT: status " .. status .. ": " .. told(answer, text), 0)
  end
  return answer.accessToken
end

-- ------------------------------------------------------------------------------------- records

-- A session: who asks, and for which project.
local function begin(options)
  local account = account_of(options)
  local project = options.GCE_PROJECT or account and account.project_id
  if not project then
    local _, text = of_machine("project/project-id")
    project = text
  end
  local base = "https://dns.googleapis.com/dns/v1/projects/" .. url.encode(project)
  return { token = token_of(options, account), base = base }
end

local function ask(session, method, path, body)
  local status, answer, text = fetch(method .. " " .. path, session.base .. path, {
    method = method,
    headers = {
      ["Authorization"] = "Bearer " .. session.token, ["Content-Type"] = "application/json",
    },
    body = body and json.encode(body),
  })
  if status >= 300 or type(answer) ~= "table" then
    error(string.format("%s %s: status %d: %s", method, path, status, told(answer, text)), 0)
  end
  return answer
end

local function zone_of(options, session, fqdn)
  if options.GCE_ZONE_ID then return options.GCE_ZONE_ID end
  for _, name in ipairs(dns.parents(fqdn)) do
    local found = ask(session, "GET", "/managedZones?dnsName=" .. url.encode(name .. "."))
    for _, zone in ipairs(found.managedZones or {}) do
      local public = (zone.visibility or "public") == "public"
      if public or options.GCE_ALLOW_PRIVATE_ZONE then return zone.name end
    end
  end
  error("no zone of the project holds " .. fqdn, 0)
end

local function bare(text) return (string.gsub(text, '^"(.*)"$', "%1")) end

-- The set of a name's texts, if there is one.
local function set_of(session, zone, fqdn)
  local query = "/rrsets?type=TXT&name=" .. url.encode(fqdn)
  local found = ask(session, "GET", "/managedZones/" .. url.encode(zone) .. query)
  return found.rrsets and found.rrsets[1]
end

-- Puts texts in the place of those that are there, all at once, and waits until it is done.
local function replace(options, session, zone, fqdn, old, texts)
  local body = { additions = json.list({}), deletions = json.list({ old }) }
  if texts[1] then
    local quoted = {}
    for _, text in ipairs(texts) do table.insert(quoted, '"' .. text .. '"') end
    table.insert(body.additions, {
      name = fqdn, type = "TXT", ttl = options.GCE_TTL, rrdatas = quoted,
    })
  end
  local path = "/managedZones/" .. url.encode(zone) .. "/changes"
  local change = ask(session, "POST", path, body)
  local patience = options.GCE_PROPAGATION_TIMEOUT
  while change.status == "pending" do
    if patience <= 0 then error("the change is not done in time", 0) end
    time.sleep(options.GCE_POLLING_INTERVAL)
    patience = patience - math.max(options.GCE_POLLING_INTERVAL, 0.1)
    change = ask(session, "GET", path .. "/" .. url.encode(change.id))
  end
end

return {
  name = "Google Cloud DNS",

  schema = {
    doc = "Without an account, the machine's or the pod's own (workload identity) is used.",
    GCE_SERVICE_ACCOUNT = {
      type = "secret", doc = "The key of a service account: the text of its JSON file.",
    },
    GOOGLE_APPLICATION_CREDENTIALS = {
      type = "file", doc = "The path of such a file, or of a user's credentials, where Google's "
        .. "own programs look for it.",
    },
    GCE_PROJECT = {
      type = "string", doc = "The project; without it that of the account or the machine.",
    },
    GCE_ZONE_ID = { type = "string", doc = "The zone, which is looked for without it." },
    GCE_ALLOW_PRIVATE_ZONE = {
      type = "boolean", default = false, doc = "Whether private zones are good as well.",
    },
    GCE_IMPERSONATE_SERVICE_ACCOUNT = {
      type = "string", doc = "The address of a service account that is acted for.",
    },
    GCE_TTL = {
      type = "integer", default = 120, min = 0,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    GCE_PROPAGATION_TIMEOUT = {
      type = "duration", default = 180, doc = "How long the record may take to be seen.",
    },
    GCE_POLLING_INTERVAL = { type = "duration", default = 5, doc = "How often to look for it." },
  },

  setup = function(options) account_of(options) end,

  present = function(challenge, ctx)
    local options = ctx.options
    local session = begin(options)
    local zone = zone_of(options, session, challenge.fqdn)
    local old = set_of(session, zone, challenge.fqdn)
    local texts = {}
    for _, text in ipairs(old and old.rrdatas or {}) do table.insert(texts, bare(text)) end
    if table.find(texts, challenge.value) then return end
    table.insert(texts, challenge.value)
    replace(options, session, zone, challenge.fqdn, old, texts)
  end,

  cleanup = function(challenge, ctx)
    local options = ctx.options
    local session = begin(options)
    local zone = zone_of(options, session, challenge.fqdn)
    local old = set_of(session, zone, challenge.fqdn)
    local texts, is_there = {}, false
    for _, text in ipairs(old and old.rrdatas or {}) do
      if bare(text) == challenge.value then is_there = true else table.insert(texts, bare(text)) end
    end
    if is_there then replace(options, session, zone, challenge.fqdn, old, texts) end
  end,
}
