-- Lets requests pass whose user has logged in at an OpenID provider: the authorization code flow
-- with PKCE. What is known of the user is kept in an encrypted cookie, so that any Moongate with
-- the same secret knows it.

-- After a failed fetch the provider is not asked again sooner than after so many seconds.
local PAUSE = 10
-- What the provider says of itself, and its keys, are used for so many seconds.
local FRESH = 3600
-- Without an answer they are used for so many seconds more.
local GRACE = 86400
-- How long a login may take.
local LOGIN_SECONDS = 600
-- Letters of one cookie; browsers take 4096 with name and attributes.
local COOKIE_MAX = 3500
local COOKIES_MAX = 8
-- A longer token of identity is not kept for the logout.
local HINT_MAX = 3000
-- How far the provider's clock may be off.
local SKEW = 60

local functions = {
  Equals = { returns = "boolean", arguments = 2 },
  Contains = { returns = "boolean", arguments = 2 },
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

local function text_of(value)
  if type(value) == "string" then return value end
  if value == nil then return nil end
  return json.encode(value)
end

local function holds(value, wanted)
  if type(value) ~= "table" then return text_of(value) == wanted end
  for _, one in ipairs(value) do
    if text_of(one) == wanted then return true end
  end
  return false
end

local function facts(claims)
  return {
    Equals = function(path, wanted) return text_of(claim(claims, path)) == wanted end,
    Contains = function(path, wanted)
      local value = claim(claims, path)
      if type(value) == "string" then return value:find(wanted, 1, true) ~= nil end
      return holds(value, wanted)
    end,
  }
end

local function form(fields)
  local parts = {}
  for name, value in pairs(fields) do
    parts[#parts + 1] = url.encode(name) .. "=" .. url.encode(value)
  end
  table.sort(parts)
  return table.concat(parts, "&")
end

-- Asks the provider for JSON; nil and the reason without it.
local function ask(state, options, address, more)
  local call = more or {}
  call.timeout, call.response_max = options.timeout, 1048576
  call.headers = call.headers or {}
  call.headers.Accept = "application/json"
  local res, why = state.client:fetch(address, call)
  if not res then return nil, why end
  local text = res:body()
  local told = json.decode(text)
  if res.status ~= 200 or type(told) ~= "table" then
    local said = type(told) == "table" and text_of(told.error) or nil
    return nil, "the status is " .. res.status .. (said and ", " .. said or ""), res.status
  end
  return told, text
end

-- Something that the provider says, fetched by one request for all; nil when it cannot be had.
local function known(state, options, name, address)
  if not state.shared:get(name .. " is fresh") then
    local turn = state.turns:enter(name, options.timeout)
    if not state.shared:get(name .. " is fresh") then
      local told, text = ask(state, options, address)
      if told then state.shared:set(name, text, FRESH + GRACE) end
      if not told then log.error("the provider does not answer", { url = address, why = text }) end
      state.shared:set(name .. " is fresh", true, told and FRESH or PAUSE)
    end
    if turn then turn:leave() end
  end
  local text = state.shared:get(name)
  if text ~= state[name .. " text"] then
    state[name .. " text"], state[name] = text, text and json.decode(text) or nil
    state.keys = nil
  end
  return state[name]
end

local function without_slash(text) return (text:gsub("/+$", "")) end

local function provider_of(state, options)
  local base = without_slash(options.issuer)
  local told = known(state, options, "provider", base .. "/.well-known/openid-configuration")
  if not told then return nil end
  if type(told.issuer) ~= "string" or without_slash(told.issuer) ~= base then
    log.error("the provider is another issuer", { issuer = text_of(told.issuer) })
    return nil
  end
  return told
end

local function keys_of(state, options, provider)
  if not known(state, options, "jwks", provider.jwks_uri) then return nil end
  if not state.keys then state.keys = jwt.keys(state["jwks text"]) end
  return state.keys
end

local asymmetric = {
  "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
}

-- The claims of a token of identity; nil and why when it is not one for us.
local function identity(state, options, provider, token, nonce)
  local keys = keys_of(state, options, provider)
  if not keys then return nil, "there are no keys" end
  local claims, why = keys:verify(token, asymmetric)
  if not claims and why == "no_key" and state.shared:add("renewed", true, PAUSE) then
    state.shared:del("jwks is fresh")
    keys = keys_of(state, options, provider)
    if keys then claims, why = keys:verify(token, asymmetric) end
  end
  if not claims then return nil, why end
  local now = time.now()
  if claims.iss ~= provider.issuer then return nil, "issuer" end
  if not holds(claims.aud, options.clientID) then return nil, "audience" end
  if claims.azp ~= nil and claims.azp ~= options.clientID then return nil, "authorized party" end
  if type(claims.exp) ~= "number" or now >= claims.exp + SKEW then return nil, "end" end
  if nonce and claims.nonce ~= nonce then return nil, "nonce" end
  if type(claims.sub) ~= "string" then return nil, "subject" end
  return claims
end

-- Asks for tokens.
local function exchange(state, options, provider, fields)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  local secret = options.clientSecret
  local by_body = true
  for _, way in ipairs(provider.token_endpoint_auth_methods_supported or {}) do
    if way == "client_secret_basic" then by_body = false end
  end
  if not provider.token_endpoint_auth_methods_supported then by_body = false end
  if secret and not by_body then
    local pair = url.encode(options.clientID) .. ":" .. url.encode(secret)
    headers.Authorization = "Basic " .. base64.encode(pair)
  else
    fields.client_id, fields.client_secret = options.clientID, secret
  end
  local call = { method = "POST", headers = headers, body = form(fields) }
  return ask(state, options, provider.token_endpoint, call)
end

local function cookie_attributes(req, options, age)
  local session = options.session
  local secure = session.secure
  if secure == nil then secure = req.scheme == "https" end
  return {
    path = session.path, domain = session.domain ~= "" and session.domain or nil,
    secure = secure, http_only = true, max_age = age,
    same_site = session.sameSite:sub(1, 1):upper() .. session.sameSite:sub(2),
  }
end

local function chunk_name(name, place) return place == 1 and name or name .. "-" .. place end

-- How many cookies a session came in.
local function cookies_of(req, options)
  local count = 0
  while count < COOKIES_MAX and req.cookies[chunk_name(options.session.name, count + 1)] do
    count = count + 1
  end
  return count
end

-- Puts a session into cookies in the place of as many as `had`; nil takes it away.
local function set_session(req, res, options, session, had)
  local name = options.session.name
  local count = 0
  if session then
    local text = crypto.seal(options.session.secret, json.encode(session), "session")
    text = base64.encode(text, "base64url")
    count = math.ceil(#text / COOKIE_MAX)
    if count > COOKIES_MAX then error("the session is too long for cookies") end
    for place = 1, count do
      local part = text:sub((place - 1) * COOKIE_MAX + 1, place * COOKIE_MAX)
      local attributes = cookie_attributes(req, options, math.max(session.till - os.time(), 1))
      res.cookies:set(chunk_name(name, place), part, attributes)
    end
  end
  for place = count + 1, had do
    res.cookies:set(chunk_name(name, place), "", cookie_attributes(req, options, 0))
  end
end

-- The session of a request's cookies.
local function session_of(req, options)
  local parts = {}
  for place = 1, cookies_of(req, options) do
    parts[place] = req.cookies[chunk_name(options.session.name, place)]
  end
  if #parts == 0 then return nil end
  local sealed = base64.decode(table.concat(parts))
  local text = sealed and crypto.open(options.session.secret, sealed, "session")
  local session = text and json.decode(text)
  if not session or session.till <= os.time() or session.client ~= options.clientID then
    return nil
  end
  return session
end

-- The path of an option that is a path or a whole URL.
local function path_of(text) return text:match("^https?://[^/]+(/[^?#]*)") or text end

local function absolute(req, text)
  if text:find("^https?://") then return text end
  return req.scheme .. "://" .. req.host .. text
end

local function state_cookie(options, id)
  return options.session.name .. "-login-" .. id:sub(1, 8)
end

-- Sends a client to the provider.
local function login(req, options, state)
  local accepted = req.headers["Accept"] or "*/*"
  local is_page = (req.method == "GET" or req.method == "HEAD")
    and req.headers["X-Requested-With"] ~= "XMLHttpRequest"
    and (accepted:find("text/html", 1, true) or accepted:find("*/*", 1, true))
  if options.disableLogin or not is_page then return respond(401, "401 Unauthorized\n") end
  local provider = provider_of(state, options)
  if not provider then return respond(503, "Service Unavailable\n") end
  local random = function() return base64.encode(crypto.random_bytes(32), "base64url") end
  local id, nonce, verifier = random(), random(), random()
  local back = req.scheme .. "://" .. req.host .. req.uri
  if #back > 2048 then back = absolute(req, "/") end
  local fields = {
    response_type = "code", client_id = options.clientID, state = id, nonce = nonce,
    scope = table.concat(options.scopes, " "), redirect_uri = absolute(req, options.redirectUrl),
  }
  if options.pkce then
    fields.code_challenge = crypto.sha256(verifier, "base64url")
    fields.code_challenge_method = "S256"
  end
  for name, value in pairs(options.authParams) do fields[name] = fields[name] or value end
  local address = provider.authorization_endpoint
  local mark = address:find("?", 1, true) and "&" or "?"
  local res = redirect(address .. mark .. form(fields), 302)
  local kept = json.encode({
    id = id, nonce = nonce, verifier = verifier, back = back, till = os.time() + LOGIN_SECONDS,
  })
  local sealed = base64.encode(crypto.seal(options.session.secret, kept, "login"), "base64url")
  local attributes = cookie_attributes(req, options, LOGIN_SECONDS)
  -- The provider sends the client back from another site.
  if attributes.same_site == "Strict" then attributes.same_site = "Lax" end
  res.cookies:set(state_cookie(options, id), sealed, attributes)
  res.headers["Cache-Control"] = "no-store"
  return res
end

-- What tokens say, as a session.
local function session_from(tokens, claims, options, before)
  local now = os.time()
  local lives = tonumber(tokens.expires_in) or math.max(claims.exp - now, 0)
  local hint = tokens.id_token or (before and before.hint) or nil
  return {
    client = options.clientID, claims = claims, renew = now + lives,
    till = before and before.till or now + options.session.expiry,
    refresh = tokens.refresh_token or (before and before.refresh) or nil,
    access = options.forwardAccessToken and tokens.access_token or nil,
    -- The provider ends its session without it as well, but may ask first.
    hint = hint and #hint <= HINT_MAX and hint or nil,
  }
end

-- What a login was begun with, when it is this client's.
local function begun(req, options, id)
  local sealed = id and req.cookies[state_cookie(options, id)]
  sealed = sealed and base64.decode(sealed)
  local text = sealed and crypto.open(options.session.secret, sealed, "login")
  local kept = text and json.decode(text)
  if not kept or not crypto.equal(kept.id, id) or kept.till <= os.time() then return nil end
  return kept
end

-- The client is back from the provider.
local function come_back(req, options, state)
  local query = url.parse_query(req.query or "")
  local function sent(name) return query[name] and query[name][1] end
  local kept = begun(req, options, sent("state"))
  if not kept then return respond(400, "This login was not begun here, or too long ago.\n") end
  local function failed(status, why)
    log.warn("a login failed", { why = why })
    local res = respond(status, status_text(status) .. "\n")
    res.cookies:set(state_cookie(options, kept.id), "", cookie_attributes(req, options, 0))
    return res
  end
  if sent("error") then return failed(403, sent("error")) end
  if not sent("code") then return failed(400, "there is no code") end
  local provider = provider_of(state, options)
  if not provider then return respond(503, "Service Unavailable\n") end
  local tokens, why = exchange(state, options, provider, {
    grant_type = "authorization_code", code = sent("code"),
    redirect_uri = absolute(req, options.redirectUrl),
    code_verifier = options.pkce and kept.verifier or nil,
  })
  if not tokens then return failed(502, why) end
  local claims, wrong = identity(state, options, provider, tokens.id_token or "", kept.nonce)
  if not claims then return failed(401, "the token is not right: " .. wrong) end
  local res = redirect(kept.back, 302)
  set_session(req, res, options, session_from(tokens, claims, options), cookies_of(req, options))
  res.cookies:set(state_cookie(options, kept.id), "", cookie_attributes(req, options, 0))
  res.headers["Cache-Control"] = "no-store"
  return res
end

local function logout(req, options, state)
  local session = session_of(req, options)
  local back = options.postLogoutRedirectUrl
  local target = absolute(req, back ~= "" and back or "/")
  local provider = provider_of(state, options)
  local leave = provider and provider.end_session_endpoint
  if leave then
    local mark = leave:find("?", 1, true) and "&" or "?"
    target = leave .. mark .. form({
      client_id = options.clientID, post_logout_redirect_uri = target,
      id_token_hint = session and session.hint or nil,
    })
  end
  local res = redirect(target, 302)
  set_session(req, res, options, nil, cookies_of(req, options))
  res.headers["Cache-Control"] = "no-store"
  return res
end

-- A session with new tokens, which one request fetches for all of them; nil when it is over, and
-- `unavailable` beside it when nobody can say.
local function renewed(options, state, session)
  local key = "renewed " .. crypto.sha256(session.refresh, "hex")
  local turn = state.turns:enter(key, options.timeout)
  local text = state.renewed:get(key)
  if not text then
    local provider = provider_of(state, options)
    if not provider then return nil, "unavailable" end
    local tokens, why, status = exchange(state, options, provider, {
      grant_type = "refresh_token", refresh_token = session.refresh,
    })
    if not tokens then
      log.warn("a session could not be renewed", { why = why })
      local is_over = status and status >= 400 and status < 500
      return nil, not is_over and "unavailable" or nil
    end
    local claims = session.claims
    if tokens.id_token then
      local new, wrong = identity(state, options, provider, tokens.id_token)
      if not new or new.sub ~= claims.sub then
        log.warn("a renewed token is not right", { why = wrong })
        return nil
      end
      claims = new
    end
    text = json.encode(session_from(tokens, claims, options, session))
    state.renewed:set(key, text, 60)
  end
  if turn then turn:leave() end
  return json.decode(text)
end

-- The Cookie header without those of this middleware; nil when nothing is left.
local function cookies_without(header, name)
  local kept = {}
  for part in header:gmatch("[^;]+") do
    local other = part:match("^%s*([^=]*)=") or ""
    if other ~= name and other:sub(1, #name + 1) ~= name .. "-" then
      kept[#kept + 1] = part:match("^%s*(.-)%s*$")
    end
  end
  return #kept > 0 and table.concat(kept, "; ") or nil
end

local function hand_on(req, options, session)
  local claims = session.claims
  for header, path in pairs(options.forwardHeaders) do
    local text = text_of(claim(claims, path))
    req.headers[header] = text and not text:find("%c") and text or nil
  end
  if options.forwardAccessToken then
    req.headers["Authorization"] = session.access and "Bearer " .. session.access
  end
  local cookies = table.concat(req.headers:all("Cookie"), "; ")
  if cookies ~= "" then req.headers["Cookie"] = cookies_without(cookies, options.session.name) end
end

return {
  schema = {
    doc = "Lets requests pass whose user has logged in at an OpenID provider.",
    standalone = false,
    issuer = { type = "url", required = true, doc = "The provider, as it calls itself." },
    clientID = {
      type = "string", required = true, non_empty = true,
      doc = "What the provider knows this router as.",
    },
    clientSecret = {
      type = "secret", non_empty = true, doc = "The secret of this client; public ones have none.",
    },
    redirectUrl = {
      type = "string", default = "/oidc/callback", pattern = "^(https?://[^/]+)?/",
      doc = "Where the provider sends clients back: a path of this router, or a URL with it.",
    },
    logoutUrl = {
      type = "string", default = "/oidc/logout", pattern = "^/",
      doc = "The path with which users log out.",
    },
    postLogoutRedirectUrl = {
      type = "string", default = "", doc = "Where they come then: a path or a URL; / unless set.",
    },
    scopes = {
      type = "list", of = "string", default = { "openid" },
      doc = "What is asked for; openid is needed, offline_access lets sessions be renewed.",
    },
    authParams = {
      type = "map", of = "string", default = {},
      doc = "More parameters for the provider's page, such as prompt.",
    },
    pkce = { type = "boolean", default = true, doc = "Whether the code is bound to this login." },
    disableLogin = {
      type = "boolean", default = false, doc = "Whether clients get 401 instead of the login page.",
    },
    session = {
      type = "object", required = true,
      doc = "The cookie that holds the session.",
      fields = {
        secret = {
          type = "secret", required = true, non_empty = true,
          doc = "What the cookie is encrypted with; the same on all Moongates.",
        },
        name = {
          type = "string", default = "oidc-session", pattern = "^[A-Za-z0-9_-]+$",
          doc = "The cookie's name.",
        },
        expiry = {
          type = "duration", default = "24h", min = "1s",
          doc = "When users must log in again.",
        },
        refresh = {
          type = "boolean", default = true,
          doc = "Whether tokens that end before are renewed, when the provider lets them be.",
        },
        path = { type = "string", default = "/", doc = "The path that it belongs to." },
        domain = { type = "string", default = "", doc = "The domain that it belongs to." },
        secure = {
          type = "boolean",
          doc = "Whether it is sent over TLS alone; as the request came unless it is set.",
        },
        sameSite = {
          type = "enum", values = { "lax", "strict", "none" }, default = "lax",
          doc = "Whether it is sent with requests from other sites.",
        },
      },
    },
    forwardHeaders = {
      type = "map", of = "string", default = {},
      doc = "Claims by the request headers that get them.",
    },
    forwardAccessToken = {
      type = "boolean", default = false,
      doc = "Whether the server gets the access token, in Authorization.",
    },
    usernameClaim = {
      type = "string", default = "sub", doc = "The claim that the access log names as the user.",
    },
    claims = {
      type = "string", default = "",
      doc = "What must hold of the claims, such as Contains(`groups`, `admin`) or "
        .. "Equals(`email_verified`, `true`); others get 403.",
    },
    timeout = { type = "duration", default = "5s", doc = "How long the provider may take." },
    tls = { type = "tlsClient", doc = "TLS towards the provider." },
  },

  setup = function(options)
    local state = {
      client = http.client({ tls = options.tls, link_local = true }),
      shared = store.open("provider", { max = "4MiB" }),
      renewed = store.open("renewed", { max = "4MiB" }),
      turns = limit.turns(),
      callback = path_of(options.redirectUrl),
    }
    if options.claims ~= "" then state.condition = predicate.compile(options.claims, functions) end
    return state
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    if req.path == state.callback then return come_back(req, options, state) end
    if req.path == options.logoutUrl then return logout(req, options, state) end
    local session = session_of(req, options)
    if not session then return login(req, options, state) end
    local is_new = false
    if options.session.refresh and session.refresh and os.time() >= session.renew then
      local new, why = renewed(options, state, session)
      if why == "unavailable" then return respond(503, "Service Unavailable\n") end
      if not new then return login(req, options, state) end
      session, is_new = new, true
    end
    req.user = text_of(claim(session.claims, options.usernameClaim))
    if state.condition and not state.condition:test(facts(session.claims)) then
      return respond(403, "403 Forbidden\n")
    end
    if not is_new then return hand_on(req, options, session) end
    local had = cookies_of(req, options)
    -- It is asked for its scheme below.
    req:keep()
    hand_on(req, options, session)
    local res = ctx.next()
    if res.status ~= 101 then set_session(req, res, options, session, had) end
    return res
  end,
}
