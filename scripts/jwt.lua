-- Lets requests pass that carry a signed token (JWT) whose signature and claims are right.

-- After a failed fetch, or for a key that is not in the set, the keys are not asked for again
-- sooner than after so many seconds.
local PAUSE = 15
-- Keys that could not be renewed are used for so many seconds more.
local GRACE = 86400

-- What the expression can say of the claims.
local functions = {
  Equals = { returns = "boolean", arguments = 2 },
  Prefix = { returns = "boolean", arguments = 2 },
  Contains = { returns = "boolean", arguments = 2 },
  SplitContains = { returns = "boolean", arguments = 3 },
}

-- A claim by its name, or by a path such as realm_access.roles.
local function claim(claims, path)
  if claims[path] ~= nil then return claims[path] end
  local value = claims
  for part in path:gmatch("[^.]+") do
    if type(value) ~= "table" then return nil end
    value = value[part]
  end
  return value
end

-- A claim as text for headers and comparisons; nil for what has none.
local function text_of(value)
  if type(value) == "string" then return value end
  if type(value) == "boolean" then return tostring(value) end
  if type(value) == "number" then return json.encode(value) end
  return nil
end

-- Whether a claim is one of some texts, or a list that holds one of them.
local function is_among(value, allowed)
  local values = type(value) == "table" and value or { value }
  for _, one in ipairs(values) do
    for _, other in ipairs(allowed) do
      if text_of(one) == other then return true end
    end
  end
  return false
end

local function holds(value, wanted)
  return type(value) == "table" and is_among(value, { wanted })
end

local function facts(claims)
  return {
    Equals = function(path, wanted) return text_of(claim(claims, path)) == wanted end,
    Prefix = function(path, start)
      return (text_of(claim(claims, path)) or ""):sub(1, #start) == start
    end,
    Contains = function(path, wanted)
      local value = claim(claims, path)
      if type(value) == "string" then return value:find(wanted, 1, true) ~= nil end
      return holds(value, wanted)
    end,
    SplitContains = function(path, separator, wanted)
      local value = text_of(claim(claims, path))
      if not value or separator == "" then return false end
      local all, part = separator .. value .. separator, separator .. wanted .. separator
      return all:find(part, 1, true) ~= nil
    end,
  }
end

-- The token of a request, from the first of its places that has one.
local function token_of(req, options)
  local sent = req.headers:get(options.tokenHeader)
  if sent then
    local scheme = options.tokenScheme
    if scheme == "" then return sent end
    local word, rest = sent:match("^(%S+) +(%S+)%s*$")
    if word and word:lower() == scheme:lower() then return rest end
  end
  if options.tokenQueryKey ~= "" and req.query then
    local values = url.parse_query(req.query)[options.tokenQueryKey]
    if values and values[1] ~= "" then return values[1] end
  end
  if options.tokenCookie ~= "" then return req.cookies[options.tokenCookie] end
  return nil
end

-- Fetches the set of keys and shows it to all workers.
local function fetch(state, options)
  local res, why = state.client:fetch(options.jwksUrl, {
    headers = { Accept = "application/json" }, timeout = options.timeout, response_max = 1048576,
  })
  local keys
  if res and res.status == 200 then
    local text = res:body()
    keys, why = jwt.keys(text)
    if keys then
      state.shared:set("keys", text, options.refreshInterval + GRACE)
      state.shared:set("fresh", true, options.refreshInterval)
      return
    end
  elseif res then
    why = "the status is " .. res.status
  end
  log.error("the keys of tokens could not be fetched", { url = options.jwksUrl, why = why })
  state.shared:set("fresh", true, PAUSE)
end

-- The keys as all workers see them now, which are fetched when it is time, by one request for all.
local function current(state, options)
  if not state.shared:get("fresh") then
    local turn = state.turns:enter("keys", options.timeout)
    if not state.shared:get("fresh") then fetch(state, options) end
    if turn then turn:leave() end
  end
  local text = state.shared:get("keys")
  if text ~= state.text then
    state.text, state.keys = text, text and jwt.keys(text) or nil
  end
  return state.keys
end

-- Claims and what speaks against the token; the second is `unavailable` when there are no keys.
local function verify(state, options, token)
  local allowed = options.algorithms
  local why = "no_key"
  for _, keys in ipairs(state.fixed) do
    local claims, reason = keys:verify(token, allowed)
    if claims then return claims end
    if reason ~= "no_key" then why = reason end
  end
  if options.jwksUrl == "" or why == "malformed" or why == "algorithm" then return nil, why end
  local keys = current(state, options)
  if not keys then return nil, "unavailable" end
  local claims, reason = keys:verify(token, allowed)
  if claims then return claims end
  -- The keys may have been exchanged.
  if reason == "no_key" and state.shared:add("renewed", true, PAUSE) then
    state.shared:del("fresh")
    keys = current(state, options)
    if keys then claims, reason = keys:verify(token, allowed) end
  end
  return claims, reason
end

-- What is wrong with times, issuer and audience; nil when nothing is.
local function mistake(claims, options)
  local now, skew = time.now(), options.clockSkew
  local expires, begins = claims.exp, claims.nbf
  if expires == nil and options.requireExpiration then return "the token has no end" end
  if expires ~= nil and not (type(expires) == "number" and now < expires + skew) then
    return "the token is over"
  end
  if begins ~= nil and not (type(begins) == "number" and now >= begins - skew) then
    return "the token is not valid yet"
  end
  if #options.issuers > 0 and not is_among(claims.iss, options.issuers) then
    return "the issuer is another one"
  end
  if #options.audiences > 0 and not is_among(claims.aud, options.audiences) then
    return "the token is for somebody else"
  end
  return nil
end

local function fits(claims, state, options)
  for path, allowed in pairs(options.requiredClaims) do
    if not is_among(claim(claims, path), allowed) then return false end
  end
  return not state.condition or state.condition:test(facts(claims))
end

local function refuse(options, why)
  local challenge = "Bearer"
  if options.realm ~= "" then
    challenge = 'Bearer realm="' .. options.realm:gsub('["\\]', "\\%0") .. '"'
  end
  if why then
    challenge = challenge .. (options.realm ~= "" and "," or "") .. ' error="invalid_token"'
    if type(why) == "string" then challenge = challenge .. ', error_description="' .. why .. '"' end
  end
  return respond(401, "401 Unauthorized\n", { ["WWW-Authenticate"] = challenge })
end

-- The query without one parameter, the others as they were sent; nil when nothing is left.
local function query_without(query, name)
  local kept = {}
  for part in query:gmatch("[^&]+") do
    if url.parse_query(part)[name] == nil then kept[#kept + 1] = part end
  end
  return #kept > 0 and table.concat(kept, "&") or nil
end

-- Tells the server what it should know, and nothing that a client has made up.
local function hand_on(req, options, claims)
  for header, path in pairs(options.forwardHeaders) do
    local value = claim(claims, path)
    if type(value) == "table" then value = json.encode(value) end
    local text = text_of(value)
    req.headers[header] = text and not text:find("[%c]") and text or nil
  end
  if options.stripAuthorizationHeader then
    req.headers[options.tokenHeader] = nil
    if options.tokenQueryKey ~= "" and req.query then
      req.query = query_without(req.query, options.tokenQueryKey)
    end
  end
end

return {
  schema = {
    doc = "Lets requests pass that carry a signed token (JWT).",
    standalone = false,
    signingSecret = {
      type = "secret", non_empty = true,
      doc = "The secret that tokens with HS256, HS384 and HS512 are signed with.",
    },
    signingSecretBase64Encoded = {
      type = "boolean", default = false, doc = "Whether the secret is written in base64.",
    },
    publicKey = {
      type = "file", pem = true,
      doc = "The key or certificate that tokens are verified with: a path or PEM text.",
    },
    jwksFile = {
      type = "file", crd = false, doc = "A file with a set of keys (JWKS).",
    },
    jwksUrl = {
      type = "string", default = "", pattern = "^(https?://.+)?$",
      doc = "Where a set of keys (JWKS) is fetched, once for all workers.",
    },
    refreshInterval = {
      type = "duration", default = "10m", min = "10s", doc = "When the set is fetched again.",
    },
    timeout = {
      type = "duration", default = "5s", doc = "How long fetching the set may take.",
    },
    tls = { type = "tlsClient", doc = "TLS towards the server of `jwksUrl`." },
    algorithms = {
      type = "list", of = "string", default = {},
      doc = "The algorithms that tokens may be signed with; all that fit the keys if none is "
        .. "named: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, "
        .. "EdDSA.",
    },
    issuers = {
      type = "list", of = "string", default = {},
      doc = "The issuers that are trusted; any if empty.",
    },
    audiences = {
      type = "list", of = "string", default = {},
      doc = "The audiences of which a token must have one; any if empty.",
    },
    requiredClaims = {
      type = "map", of = { type = "list", of = "string" }, default = {},
      doc = "Values by claim, or by a path such as realm_access.roles; the claim must be one of "
        .. "them, or a list with one of them.",
    },
    claims = {
      type = "string", default = "",
      doc = "What must hold of the claims, such as Equals(`group`, `admin`) && "
        .. "Contains(`scopes`, `deploy`); there are also Prefix(claim, text) and "
        .. "SplitContains(claim, separator, text).",
    },
    requireExpiration = {
      type = "boolean", default = false, doc = "Whether tokens without `exp` are refused.",
    },
    clockSkew = {
      type = "duration", default = "0s", doc = "How far the clock of the issuer may be off.",
    },
    tokenHeader = {
      type = "string", default = "Authorization", doc = "The header that holds the token.",
    },
    tokenScheme = {
      type = "string", default = "Bearer", doc = "The word before the token in the header.",
    },
    tokenQueryKey = {
      type = "string", default = "",
      doc = "The parameter of the query that holds the token when the header does not.",
    },
    tokenCookie = {
      type = "string", default = "",
      doc = "The cookie that holds the token when header and query do not.",
    },
    forwardHeaders = {
      type = "map", of = "string", default = {},
      doc = "Claims by the request headers that get them.",
    },
    stripAuthorizationHeader = {
      type = "boolean", default = false,
      doc = "Whether the server does not get the token of header and query.",
    },
    usernameClaim = {
      type = "string", default = "sub", doc = "The claim that the access log names as the user.",
    },
    realm = { type = "string", default = "", doc = "The realm that clients are told." },
  },

  setup = function(options)
    local state = { fixed = {} }
    local function add(name, text)
      local keys, why = jwt.keys(text)
      if not keys then error("jwt." .. name .. ": " .. why, 0) end
      state.fixed[#state.fixed + 1] = keys
    end
    local secret = options.signingSecret
    if secret then
      if options.signingSecretBase64Encoded then secret = base64.decode(secret) end
      if not secret then error("jwt.signingSecret: is not base64", 0) end
      state.fixed[1] = jwt.secret(secret)
    end
    if options.publicKey then add("publicKey", options.publicKey) end
    if options.jwksFile then add("jwksFile", options.jwksFile) end
    if #state.fixed == 0 and options.jwksUrl == "" then
      error("jwt: needs one of signingSecret, publicKey, jwksFile and jwksUrl", 0)
    end
    if options.claims ~= "" then state.condition = predicate.compile(options.claims, functions) end
    if options.jwksUrl ~= "" then
      state.client = http.client({ tls = options.tls, link_local = true })
      state.shared = store.open("keys", { max = "4MiB" })
      state.turns = limit.turns()
    end
    return state
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local token = token_of(req, options)
    if not token then return refuse(options, nil) end
    local claims, why = verify(state, options, token)
    if why == "unavailable" then return respond(503, "Service Unavailable\n") end
    if not claims then
      log.debug("refused a token", { why = why })
      return refuse(options, true)
    end
    local wrong = mistake(claims, options)
    if wrong then return refuse(options, wrong) end
    req.user = text_of(claim(claims, options.usernameClaim))
    if not fits(claims, state, options) then return respond(403, "403 Forbidden\n") end
    hand_on(req, options, claims)
  end,
}
