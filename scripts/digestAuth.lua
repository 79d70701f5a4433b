-- Lets requests pass whose user proves to know a password without sending it (RFC 7616, MD5).
--
-- A nonce is made of the time and a mark that only who knows the users' hashes can make, so that
-- it need not be kept. How often each was used is counted over all workers.

-- Seconds until a client must take a new nonce.
local LIFETIME = 300
-- Room for the counts of some thousand nonces; a nonce whose count had to make room is not known
-- to have been used.
local COUNTS = "2MiB"

-- HA1 hashes by user and realm, and all of it as one text.
local function read(options)
  local users, all = {}, {}
  local function add(text)
    for line in text:gmatch("[^\r\n]+") do
      line = line:gsub("^%s+", ""):gsub("%s+$", "")
      if line ~= "" and line:sub(1, 1) ~= "#" then
        local key, hash = line:match("^([^:]*:[^:]*):([^:]*)$")
        if not key then error("users: a line is not of the form name:realm:hash", 0) end
        users[key] = hash
        all[#all + 1] = line
      end
    end
  end
  add(options.usersFile or "")
  for _, text in ipairs(options.users or {}) do add(text) end
  return users, table.concat(all, "\n")
end

-- The parameters of an Authorization header; nil when it is of another kind.
local function parameters(header)
  local rest = header and header:match("^[Dd][Ii][Gg][Ee][Ss][Tt] +(.*)$")
  if not rest then return nil end
  local found, at = {}, 1
  while true do
    local _, name_end, name = rest:find("^[%s,]*([%w*_-]+)%s*=%s*", at)
    if not name then return found end
    local _, value_end, value = rest:find('^"([^"\\]*)"', name_end + 1)
    if not value then
      _, value_end, value = rest:find('^"(.-[^\\])"', name_end + 1)
      value = value and value:gsub("\\(.)", "%1")
    end
    if not value then _, value_end, value = rest:find('^([^%s,"]*)', name_end + 1) end
    found[name:lower()], at = value, value_end + 1
  end
end

local function mark(state, time, random)
  return state.key:sign(time .. ":" .. random, "hex"):sub(1, 32)
end

local function new_nonce(state)
  local time = string.format("%08x", os.time())
  local random = hex.encode(crypto.random_bytes(8))
  return time .. random .. mark(state, time, random)
end

-- Seconds since a nonce was made; nil when it is not ours.
local function age(state, nonce)
  local time, random, sent = nonce:match("^(%x%x%x%x%x%x%x%x)(%x+)(" .. ("%x"):rep(32) .. ")$")
  if not time or not crypto.equal(mark(state, time, random), sent) then return nil end
  return os.time() - tonumber(time, 16)
end

-- Whether a nonce was used that often already; else it is now. All workers count together.
local function used(state, nonce, count)
  while true do
    local last = state.counts:get(nonce)
    if last and count <= last then return true end
    if state.counts:cas(nonce, last, count, LIFETIME + 1) then return false end
  end
end

-- Whether the proof is right; only then its nonce is looked at.
local function proves(sent, req, options, state)
  if sent.opaque ~= state.opaque or sent.qop ~= "auth" then return false end
  if sent.algorithm and sent.algorithm ~= "MD5" then return false end
  if not (sent.username and sent.nonce and sent.nc and sent.cnonce and sent.response) then
    return false
  end
  -- Traefik lets a proof for a path pass for all paths below it as well.
  if sent.uri ~= req.uri then return false end
  local ha1 = state.users[sent.username .. ":" .. state.realm]
  local ha2 = crypto.md5(req.method .. ":" .. sent.uri, "hex")
  local parts = { ha1 or "", sent.nonce, sent.nc, sent.cnonce, sent.qop, ha2 }
  local right = crypto.md5(table.concat(parts, ":"), "hex")
  return crypto.equal(right, sent.response) and ha1 ~= nil
end

local function challenge(state, stale)
  local text = 'Digest realm="' .. state.realm_text .. '", nonce="' .. new_nonce(state)
    .. '", opaque="' .. state.opaque .. '", algorithm="MD5", qop="auth"'
  if stale then text = text .. ", stale=true" end
  local headers = { ["WWW-Authenticate"] = text, ["Content-Type"] = "text/plain" }
  return respond(401, "401 Unauthorized\n", headers)
end

return {
  schema = {
    doc = "Lets requests pass whose user proves to know a password without sending it.",
    standalone = false,
    users = {
      type = "list", of = "secret",
      doc = "Users as htdigest writes them: name:realm:hash.",
      crd = {
        name = "secret", type = "secret", keys = { "users" },
        doc = "The Secret with the users, one a line.",
      },
    },
    usersFile = {
      type = "file", crd = false,
      doc = "A file with one user a line; users of the same name in users count instead.",
    },
    realm = {
      type = "string", default = "traefik",
      doc = "The realm that clients are told when they are asked, and that users must be of.",
    },
    removeHeader = {
      type = "boolean", default = false,
      doc = "Whether the server does not get the Authorization header.",
    },
    headerField = {
      type = "string", default = "",
      doc = "A request header that gets the user's name.",
    },
  },

  setup = function(options)
    local users, all = read(options)
    local realm = options.realm
    if realm == "" then realm = "traefik" end
    local key = crypto.hmac_key("sha256", realm .. "\n" .. all)
    return {
      users = users, realm = realm, realm_text = realm:gsub('["\\]', "\\%0"), key = key,
      opaque = key:sign("opaque", "hex"):sub(1, 32),
      counts = store.open("counts", { max = COUNTS }),
    }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local sent = parameters(req.headers:get("Authorization"))
    if not sent then return challenge(state, false) end
    req.user = sent.username
    if not proves(sent, req, options, state) then return challenge(state, false) end
    local passed, count = age(state, sent.nonce), tonumber(sent.nc, 16)
    if not count then return challenge(state, false) end
    -- The client knows the password and need not ask its user again.
    local is_fresh = passed and passed <= LIFETIME and not used(state, sent.nonce, count)
    if not is_fresh then return challenge(state, true) end
    if options.headerField ~= "" then req.headers[options.headerField] = sent.username end
    if options.removeHeader then req.headers["Authorization"] = nil end
  end,
}
