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
  },

  setup = function(options)
    local pattern = options.authResponseHeadersRegex
    local cookies = {}
    for _, name in ipairs(options.addAuthCookiesToResponse) do cookies[name] = true end
    return {
      client = http.client({ tls = options.tls, link_local = true }),
      expression = pattern and pattern ~= "" and re.compile(pattern) or nil,
      request_headers = set_of(options.authRequestHeaders),
      cookies = cookies,
    }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local res, why, kind = state.client:fetch(options.address, {
      method = options.preserveRequestMethod and req.method or "GET",
      headers = question(req, options, state),
      body = options.forwardBody and req or nil,
      request_max = limit(options.maxBodySize) or math.huge,
      response_max = limit(options.maxResponseBodySize),
      timeout = options.timeout,
    })
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
    take_over(req, res, options, state.expression)
    local lines = res.headers:all("Set-Cookie")
    if #lines > 0 and next(state.cookies) then
      return pass_with_cookies(lines, state.cookies, ctx)
    end
  end,
}
