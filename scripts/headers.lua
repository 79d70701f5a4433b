-- Adds, replaces and removes headers of requests and responses, answers preflights of CORS, and
-- adds the headers that tell browsers to be careful.
local function flag(doc) return { type = "boolean", default = false, doc = doc } end
local function text(doc) return { type = "string", default = "", doc = doc } end
local function texts(doc) return { type = "list", of = "string", default = {}, doc = doc } end
local function map(doc) return { type = "map", of = "string", default = {}, doc = doc } end
local function gone(kind, instead)
  return { type = kind, deprecated = instead, doc = "Without effect." }
end
local redirect_instead = "redirect at the entrypoint, or with redirectScheme"

local schema = {
  doc = "Changes headers of requests and responses, answers preflights of CORS, and tells browsers "
    .. "to be careful.",
  standalone = false,
  customRequestHeaders = map("Headers of the request by name; an empty value removes the header."),
  customResponseHeaders = map(
    "Headers of the response by name; an empty value removes the header."),

  accessControlAllowCredentials = flag("Whether scripts of other sites may send credentials."),
  accessControlAllowHeaders = texts("Request headers that other sites may send."),
  accessControlAllowMethods = texts("Methods that other sites may use."),
  accessControlAllowOriginList = texts("Other sites that may ask; `*` for all."),
  accessControlAllowOriginListRegex = {
    type = "list", of = "regex", default = {}, doc = "Other sites that may ask, as expressions.",
  },
  accessControlExposeHeaders = texts("Response headers that scripts of other sites may read."),
  accessControlMaxAge = {
    type = "integer", default = 0, doc = "Seconds for which a preflight's answer holds.",
  },
  addVaryHeader = flag("Whether caches are told that answers differ by `Origin`."),

  allowedHosts = texts("Hosts that are served; others get an error. None means all."),
  hostsProxyHeaders = texts("Request headers that may hold the host, before `Host` itself."),
  sslProxyHeaders = map("Request headers with the values that say the client came over TLS."),
  stsSeconds = {
    type = "integer", default = 0,
    doc = "The age in `Strict-Transport-Security`; 0 leaves the header out.",
  },
  stsIncludeSubdomains = flag("Whether that header speaks of subdomains as well."),
  stsPreload = flag("Whether that header allows to be in browsers' lists."),
  forceSTSHeader = flag("Whether that header is sent without TLS too."),
  frameDeny = flag("Whether `X-Frame-Options: DENY` is sent."),
  customFrameOptionsValue = text("The value of `X-Frame-Options`, before `frameDeny`."),
  contentTypeNosniff = flag("Whether `X-Content-Type-Options: nosniff` is sent."),
  browserXssFilter = flag("Whether `X-XSS-Protection: 1; mode=block` is sent."),
  customBrowserXSSValue = text("The value of `X-XSS-Protection`, before `browserXssFilter`."),
  contentSecurityPolicy = text("The value of `Content-Security-Policy`."),
  contentSecurityPolicyReportOnly = text("The value of `Content-Security-Policy-Report-Only`."),
  publicKey = text("The value of `Public-Key-Pins`, sent over TLS."),
  referrerPolicy = text("The value of `Referrer-Policy`."),
  permissionsPolicy = text("The value of `Permissions-Policy`."),
  isDevelopment = flag("Whether hosts, TLS and public keys are left alone, for trying things out."),

  featurePolicy = gone("string", "permissionsPolicy"),
  sslRedirect = gone("boolean", redirect_instead),
  sslTemporaryRedirect = gone("boolean", redirect_instead),
  sslHost = gone("string", redirect_instead),
  sslForceHost = gone("boolean", redirect_instead),
}

-- Whether an option says anything.
local function is_set(value)
  if type(value) == "table" then return next(value) ~= nil end
  return value ~= nil and value ~= false and value ~= "" and value ~= 0
end

local cors_options = {
  "accessControlAllowCredentials", "accessControlAllowHeaders", "accessControlAllowMethods",
  "accessControlAllowOriginList", "accessControlAllowOriginListRegex",
  "accessControlExposeHeaders", "accessControlMaxAge", "addVaryHeader",
}

local function any_set(options, names)
  for _, name in ipairs(names) do
    if is_set(options[name]) then return true end
  end
  return false
end

-- The security headers that all answers get, and those of clients that came over TLS.
local function secure_headers(o)
  local always, over_tls = {}, {}
  if o.customFrameOptionsValue ~= "" then
    always["X-Frame-Options"] = o.customFrameOptionsValue
  elseif o.frameDeny then
    always["X-Frame-Options"] = "DENY"
  end
  if o.contentTypeNosniff then always["X-Content-Type-Options"] = "nosniff" end
  if o.customBrowserXSSValue ~= "" then
    always["X-XSS-Protection"] = o.customBrowserXSSValue
  elseif o.browserXssFilter then
    always["X-XSS-Protection"] = "1; mode=block"
  end
  for name, value in pairs({
    ["Content-Security-Policy"] = o.contentSecurityPolicy,
    ["Content-Security-Policy-Report-Only"] = o.contentSecurityPolicyReportOnly,
    ["Referrer-Policy"] = o.referrerPolicy,
    ["Permissions-Policy"] = o.permissionsPolicy,
  }) do
    if value ~= "" then always[name] = value end
  end
  if not o.isDevelopment then
    if o.stsSeconds ~= 0 then
      local value = "max-age=" .. string.format("%d", o.stsSeconds)
      if o.stsIncludeSubdomains then value = value .. "; includeSubDomains" end
      if o.stsPreload then value = value .. "; preload" end
      local headers = o.forceSTSHeader and always or over_tls
      headers["Strict-Transport-Security"] = value
    end
    if o.publicKey ~= "" then over_tls["Public-Key-Pins"] = o.publicKey end
  end
  return always, over_tls
end

-- The answer to a preflight, but for the origin.
local function preflight_headers(o)
  local headers = { ["Access-Control-Max-Age"] = string.format("%d", o.accessControlMaxAge) }
  for name, values in pairs({
    ["Access-Control-Allow-Headers"] = o.accessControlAllowHeaders,
    ["Access-Control-Allow-Methods"] = o.accessControlAllowMethods,
    ["Access-Control-Expose-Headers"] = o.accessControlExposeHeaders,
  }) do
    if #values > 0 then headers[name] = table.concat(values, ",") end
  end
  if o.accessControlAllowCredentials then
    headers["Access-Control-Allow-Credentials"] = "true"
  end
  return headers
end

-- What an origin is told, nil when it is not allowed.
local function allowed_origin(cors, origin)
  for _, item in ipairs(cors.origins) do
    if item == "*" or item == origin then return item end
  end
  if not origin then return nil end
  for _, expression in ipairs(cors.expressions) do
    if expression:test(origin) then return origin end
  end
  return nil
end

local function is_good_host(req, o)
  local host = req.host
  for _, name in ipairs(o.hostsProxyHeaders) do
    local said = req.headers:get(name)
    if said and said ~= "" then
      host = said
      break
    end
  end
  for _, allowed in ipairs(o.allowedHosts) do
    if allowed:lower() == host:lower() then return true end
  end
  return false
end

local function is_over_tls(req, o)
  if req.tls then return true end
  for name, value in pairs(o.sslProxyHeaders) do
    if req.headers:get(name) == value then return true end
  end
  return false
end

-- Changes in the order they are made: name, value, name, value.
local function listed(...)
  local list = {}
  for _, changes in { ... } do
    for name, value in pairs(changes) do
      table.insert(list, name)
      table.insert(list, value)
    end
  end
  return #list > 0 and list or nil
end

local function apply(headers, list)
  for i = 1, #list, 2 do
    local value = list[i + 1]
    if value == "" then value = nil end
    headers[list[i]] = value
  end
end

return {
  schema = schema,

  setup = function(options)
    local is_given = false
    for name in pairs(schema) do
      if name ~= "standalone" and is_set(options[name]) then is_given = true end
    end
    if not is_given then error("headers: no option is set", 0) end
    local always, over_tls = secure_headers(options)
    local own = options.customResponseHeaders
    local state = {
      request = listed(options.customRequestHeaders),
      response = listed(always, own),
      response_of_refused = listed(own),
    }
    if next(over_tls) then state.response_over_tls = listed(always, over_tls, own) end
    if #options.allowedHosts > 0 and not options.isDevelopment then state.checks_hosts = true end
    if any_set(options, cors_options) then
      local expressions = {}
      for i, pattern in ipairs(options.accessControlAllowOriginListRegex) do
        expressions[i] = re.compile(pattern)
      end
      state.cors = {
        origins = options.accessControlAllowOriginList,
        expressions = expressions,
        preflight = preflight_headers(options),
        exposed = table.concat(options.accessControlExposeHeaders, ","),
      }
    end
    return state
  end,

  request = function(req, ctx)
    local o, state = ctx.options, ctx.state
    local cors, headers = state.cors, req.headers
    if cors and req.method == "OPTIONS" then
      local origin = headers:get("Origin")
      local method = headers:get("Access-Control-Request-Method")
      if origin and origin ~= "" and method and method ~= "" then
        local res = respond(200, "", cors.preflight)
        res.headers["Access-Control-Allow-Origin"] = allowed_origin(cors, origin)
        ctx.vars[ctx.name .. " preflight"] = true
        return res
      end
    end
    if state.request then apply(headers, state.request) end
    if state.checks_hosts and not is_good_host(req, o) then
      ctx.vars[ctx.name .. " refused"] = true
      return respond(500, "Bad Host\n")
    end
    -- What the answer's headers depend on.
    if cors then ctx.vars[ctx.name .. " origin"] = allowed_origin(cors, headers:get("Origin")) end
    if state.response_over_tls then ctx.vars[ctx.name .. " tls"] = is_over_tls(req, o) end
  end,

  response = function(res, ctx)
    local o, state = ctx.options, ctx.state
    local cors, headers = state.cors, res.headers
    if cors and ctx.vars[ctx.name .. " preflight"] then return end
    local changes = state.response
    if state.checks_hosts and ctx.vars[ctx.name .. " refused"] then
      changes = state.response_of_refused
    elseif state.response_over_tls and ctx.vars[ctx.name .. " tls"] then
      changes = state.response_over_tls
    end
    if changes then apply(headers, changes) end
    if not cors then return end
    local origin = ctx.vars[ctx.name .. " origin"]
    if origin then headers["Access-Control-Allow-Origin"] = origin end
    if o.accessControlAllowCredentials then
      headers["Access-Control-Allow-Credentials"] = "true"
    end
    if cors.exposed ~= "" then headers["Access-Control-Expose-Headers"] = cors.exposed end
    if o.addVaryHeader then
      local vary = headers:get("Vary") or ""
      if vary == "" then
        headers["Vary"] = "Origin"
      elseif vary ~= "Origin" then
        headers["Vary"] = vary .. ",Origin"
      end
    end
  end,
}
