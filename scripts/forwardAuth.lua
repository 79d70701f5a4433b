-- Asks another server whether a request may pass. Its yes lets the request pass, and any other
-- answer goes to the client.

-- What is told to the server that is asked; what clients say of it counts only when it is trusted.
local forwarded = {
  "X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port",
  "X-Forwarded-Server", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Tls-Client-Cert",
  "X-Forwarded-Tls-Client-Cert-Info",
}

-- Lower case names as the keys of a table; nil for none.
local function set_of(names)
  local set = nil
  for _, name in ipairs(names) do
    set = set or {}
    set[name:lower()] = true
  end
  return set
end

-- A header's name as Go writes it, such as X-Auth-User.
local function canonical(name)
  return (name:gsub("^%l", string.upper):gsub("%-%l", string.upper))
end

local function keep_only(headers, names)
  for name in pairs(headers) do
    if not names[name] then headers[name] = nil end
  end
end

local function own_port(req)
  local port = req.port
  if port then return tostring(port) end
  return req.tls and "443" or "80"
end

-- The headers of the question.
local function question(req, options, state)
  local headers = req.headers:copy()
  local trusted = options.trustForwardHeader
  if trusted == false then
    for _, name in ipairs(forwarded) do headers[name] = nil end
  end
  if state.request_headers then keep_only(headers, state.request_headers) end
  local facts = {
    ["X-Forwarded-Method"] = req.method,
    ["X-Forwarded-Proto"] = req.tls and "https" or "http",
    ["X-Forwarded-Host"] = req.host,
    ["X-Forwarded-Uri"] = req.uri,
  }
  local ip, passed = req.remote_ip, headers["X-Forwarded-For"]
  if trusted and passed then
    -- The entrypoint has added the address already, unless it was told not to.
    if passed ~= ip and passed:sub(-#ip - 2) ~= ", " .. ip then passed = passed .. ", " .. ip end
    headers["X-Forwarded-For"] = passed
  else
    headers["X-Forwarded-For"] = ip
  end
  if trusted ~= nil then facts["X-Forwarded-Port"] = own_port(req) end
  for name, value in pairs(facts) do
    if trusted == nil or headers[name] == nil then headers[name] = value end
  end
  return headers
end

-- Puts all lines of a header in the place of those that are there.
local function replace(headers, name, lines)
  headers[name] = nil
  for _, line in ipairs(lines) do headers:add(name, line) end
end

-- Headers of the answer that go on with the request.
local function take_over(req, res, options, expression)
  for _, name in ipairs(options.authResponseHeaders) do
    replace(req.headers, name, res.headers:all(name))
  end
  if not expression then return end
  for name in pairs(req.headers) do
    if name ~= "host" and expression:test(canonical(name)) then req.headers[name] = nil end
  end
  for name in pairs(res.headers) do
    if expression:test(canonical(name)) then replace(req.headers, name, res.headers:all(name)) end
  end
end

local function cookie_name(line)
  return line:match("^%s*([^=;%s]+)%s*=") or ""
end

-- Lets the request pass, and puts cookies of the authentication server into the answer.
local function pass_with_cookies(lines, names, ctx)
  local res = ctx.next()
  local all = {}
  for _, line in ipairs(res.headers:all("Set-Cookie")) do
    if not names[cookie_name(line)] then all[#all + 1] = line end
  end
  for _, line in ipairs(lines) do
    if names[cookie_name(line)] then all[#all + 1] = line end
  end
  replace(res.headers, "Set-Cookie", all)
  return res
end

-- The answer to a request that may not pass.
local function refusal(res, options)
  if res.status == 401 and options.authSigninURL ~= "" then
    return redirect(options.authSigninURL, 302)
  end
  local location = res.headers:get("Location")
  if location and location ~= "" and not options.preserveLocationHeader then
    res.headers["Location"] = url.resolve(options.address, location)
  end
  return res
end

local function limit(bytes)
  if bytes < 0 then return nil end
  return bytes
end

local function ask(req, options, state)
  return state.client:fetch(options.address, {
    method = options.preserveRequestMethod and req.method or "GET",
    headers = question(req, options, state),
    body = options.forwardBody and req or nil,
    request_max = limit(options.maxBodySize) or math.huge,
    response_max = limit(options.maxResponseBodySize),
    timeout = options.timeout,
  })
end

-- What an answer that lets requests pass is remembered under.
local function cache_key(req, options)
  local parts = { req.remote_ip, req.host }
  if options.cachePerURI then
    parts[#parts + 1] = req.method
    parts[#parts + 1] = req.uri
  end
  for _, name in ipairs(options.cacheKeyHeaders) do
    local lines = req.headers:all(name)
    parts[#parts + 1] = #lines .. ":" .. table.concat(lines, "\n")
  end
  return crypto.sha256(table.concat(parts, "\n"))
end

-- Remembers an answer for a while, without its body.
local function remember(state, key, res, options)
  local told = (res.headers["Cache-Control"] or ""):lower()
  -- Cookies are for one client.
  if told:find("no-store", 1, true) or res.headers["Set-Cookie"] then return end
  res:replace("")
  state.kept:put(key, res, "", options.cacheTTL)
end

return {
  schema = {
    doc = "Asks another server whether a request may pass.",
    standalone = false,
    address = {
      type = "url", required = true,
      doc = "Where to ask. An answer with a status from 200 to 299 lets the request pass.",
    },
    tls = { type = "tlsClient", doc = "TLS towards the server that is asked." },
    trustForwardHeader = {
      type = "boolean",
      doc = "Whether the server is told what the request's X-Forwarded headers say; false tells "
        .. "it what Moongate knows, and nothing of them. Without it, only method, protocol, host, "
        .. "URI and address are told anew.",
    },
    authResponseHeaders = {
      type = "list", of = "string", default = {},
      doc = "Headers of the answer that the request gets in the place of its own.",
    },
    authResponseHeadersRegex = {
      type = "regex",
      doc = "The same for all headers whose names, written as X-Auth-User, match.",
    },
    authRequestHeaders = {
      type = "list", of = "string", default = {},
      doc = "Request headers that the server is told; all of them if none is named.",
    },
    addAuthCookiesToResponse = {
      type = "list", of = "string", default = {},
      doc = "Cookies of the answer that the client gets in the place of the service's.",
    },
    headerField = {
      type = "string", default = "",
      doc = "The header of the answer that holds the user's name, for the access log.",
    },
    forwardBody = {
      type = "boolean", default = false,
      doc = "Whether the server gets the request's body; it is held in memory meanwhile.",
    },
    maxBodySize = {
      type = "size", default = -1, min = -1,
      doc = "The longest request body that the server gets, longer ones are answered with 401; "
        .. "-1 for any.",
    },
    maxResponseBodySize = {
      type = "size", default = -1, min = -1,
      doc = "The longest body of an answer, longer ones are answered with 401; -1 for any.",
    },
    preserveLocationHeader = {
      type = "boolean", default = false,
      doc = "Whether Location of an answer stays as it is; else the address makes it absolute.",
    },
    preserveRequestMethod = {
      type = "boolean", default = false,
      doc = "Whether the server is asked with the request's method instead of GET.",
    },
    authSigninURL = {
      type = "string", default = "",
      doc = "Where clients are sent when the answer is 401.",
    },
    timeout = {
      type = "duration", default = "30s",
      doc = "How long an answer may take; a late one is answered with 500.",
    },
    cacheTTL = {
      type = "duration", default = "0s",
      doc = "How long an answer that lets requests pass holds for others with the same address, "
        .. "host and headers of cacheKeyHeaders; 0 asks each time. An answer with Cache-Control: "
        .. "no-store holds for its request alone.",
    },
    cacheKeyHeaders = {
      type = "list", of = "string", default = { "Authorization", "Cookie" },
      doc = "The request headers that make another answer.",
    },
    cachePerURI = {
      type = "boolean", default = true,
      doc = "Whether another method, path or query makes another answer.",
    },
  },

  setup = function(options)
    local pattern = options.authResponseHeadersRegex
    local cookies = {}
    for _, name in ipairs(options.addAuthCookiesToResponse) do cookies[name] = true end
    if options.cacheTTL > 0 and options.forwardBody then
      error("cacheTTL: answers that may depend on the body cannot be remembered", 0)
    end
    return {
      kept = options.cacheTTL > 0 and responses.open("answers", { max = "16MiB" }) or nil,
      client = http.client({ tls = options.tls, link_local = true }),
      expression = pattern and pattern ~= "" and re.compile(pattern) or nil,
      request_headers = set_of(options.authRequestHeaders),
      cookies = cookies,
    }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local key = state.kept and cache_key(req, options)
    local res = key and state.kept:get(key)
    local is_kept = res and true or false
    local why, kind
    if not res then res, why, kind = ask(req, options, state) end
    if not res then
      local too_large = kind == "request_too_large" or kind == "response_too_large"
      if too_large then return respond(401) end
      log.error("the authentication server did not answer", { why = why })
      return respond(500)
    end
    if options.headerField ~= "" then
      req.user = res.headers:get(options.headerField) or req.user
    end
    if res.status < 200 or res.status > 299 then return refusal(res, options) end
    if key and not is_kept then remember(state, key, res, options) end
    take_over(req, res, options, state.expression)
    local lines = res.headers:all("Set-Cookie")
    if #lines > 0 and next(state.cookies) then
      return pass_with_cookies(lines, state.cookies, ctx)
    end
  end,
}
