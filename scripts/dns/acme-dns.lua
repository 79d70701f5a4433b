-- acme-dns, a name server for nothing but such records. Each domain has an account there, to which
-- a CNAME of the user's leads; accounts are kept in a file, or by a service.

-- A file holds the accounts of all domains, as other programs write it:
-- {"a.example": {"fulldomain": …, "subdomain": …, "username": …, "password": …}}

local function fetch(what, address, asked)
  local res, why = http.fetch(address, asked)
  if not res then error(what .. ": " .. why, 0) end
  return res, res:body()
end

local function refused(what, res, text)
  error(string.format("%s: status %d: %s", what, res.status, text), 0)
end

local function base(address) return (string.gsub(address, "/+$", "")) end

-- ------------------------------------------------------------------------------------- accounts

local function accounts_in(path)
  local text, why = machine.read(path)
  if not text then
    if why == "missing" then return {} end
    error("ACME_DNS_STORAGE_PATH: " .. why, 0)
  end
  local accounts = json.decode(text)
  if type(accounts) ~= "table" then
    error("ACME_DNS_STORAGE_PATH: " .. path .. " holds no JSON object", 0)
  end
  return accounts
end

local function known_account(options, domain)
  if options.ACME_DNS_STORAGE_PATH then
    return accounts_in(options.ACME_DNS_STORAGE_PATH)[domain]
  end
  local address = base(options.ACME_DNS_STORAGE_BASE_URL) .. "/" .. url.encode(domain)
  local res, text = fetch("the accounts' service", address)
  if res.status == 404 then return nil end
  if res.status ~= 200 then refused("the accounts' service", res, text) end
  return json.decode(text)
end

-- Keeps an account; whether somebody else has set the CNAME already.
local function keep_account(options, domain, account)
  if options.ACME_DNS_STORAGE_PATH then
    local accounts = accounts_in(options.ACME_DNS_STORAGE_PATH)
    accounts[domain] = account
    local ok, why = machine.write(options.ACME_DNS_STORAGE_PATH, json.encode(accounts))
    if not ok then error("ACME_DNS_STORAGE_PATH: " .. why, 0) end
    return false
  end
  local address = base(options.ACME_DNS_STORAGE_BASE_URL) .. "/" .. url.encode(domain)
  local res, text = fetch("the accounts' service", address, {
    method = "POST", headers = { ["Content-Type"] = "application/json" },
    body = json.encode(account),
  })
  if res.status >= 300 then refused("the accounts' service", res, text) end
  return res.status == 201
end

local function new_account(options, challenge)
  local networks = {}
  for network in string.gmatch(options.ACME_DNS_ALLOWLIST, "[^,%s]+") do
    table.insert(networks, network)
  end
  local body = networks[1] and json.encode({ allowfrom = networks }) or ""
  local res, text = fetch("register", base(options.ACME_DNS_API_BASE) .. "/register", {
    method = "POST", headers = { ["Content-Type"] = "application/json" }, body = body,
  })
  local account = res.status == 201 and json.decode(text)
  if type(account) ~= "table" then refused("register", res, text) end
  account.server_url = options.ACME_DNS_API_BASE
  if keep_account(options, challenge.domain, account) then return account end
  error(string.format(
    "a new account was made for %s; set this record, after which all goes by itself: %s CNAME %s.",
    challenge.domain, challenge.fqdn, account.fulldomain
  ), 0)
end

return {
  name = "acme-dns",

  schema = {
    doc = "At the first time an account is registered for the domain, and the error says which "
      .. "CNAME must be set, once. Either `ACME_DNS_STORAGE_PATH` or `ACME_DNS_STORAGE_BASE_URL` "
      .. "must be set.",
    ACME_DNS_API_BASE = { type = "string", required = true, doc = "The URL of acme-dns." },
    ACME_DNS_STORAGE_PATH = {
      type = "string", doc = "A file that keeps the accounts; it is made if it does not exist.",
    },
    ACME_DNS_STORAGE_BASE_URL = {
      type = "string",
      doc = "A service that keeps the accounts: `GET` and `POST` of the domain below this URL.",
    },
    ACME_DNS_ALLOWLIST = {
      type = "string", default = "",
      doc = "Networks that may change the records, with commas between them; all without it.",
    },
  },

  setup = function(options)
    local path, service = options.ACME_DNS_STORAGE_PATH, options.ACME_DNS_STORAGE_BASE_URL
    if not path and not service then
      error("ACME_DNS_STORAGE_PATH is missing, or ACME_DNS_STORAGE_BASE_URL", 0)
    end
    if path and service then
      error("ACME_DNS_STORAGE_PATH and ACME_DNS_STORAGE_BASE_URL exclude each other", 0)
    end
  end,

  present = function(challenge, ctx)
    local options = ctx.options
    local account = known_account(options, challenge.domain) or new_account(options, challenge)
    local res, text = fetch("update", base(options.ACME_DNS_API_BASE) .. "/update", {
      method = "POST",
      headers = {
        ["Content-Type"] = "application/json",
        ["X-Api-User"] = account.username,
        ["X-Api-Key"] = account.password,
      },
      body = json.encode({ subdomain = account.subdomain, txt = challenge.value }),
    })
    if res.status ~= 200 then refused("update", res, text) end
  end,

  -- acme-dns keeps the last two texts and forgets older ones by itself.
  cleanup = function() end,
}
