-- Answers in the place of a service that is being worked on, and lets those through who work on it.

-- Seconds since 1970 of a time such as 2027-01-31T22:00:00Z or 2027-01-31T22:00:00+01:00.
local function moment(text, name)
  if text == "" then return nil end
  local year, month, day, hour, minute, second, zone = text:match(
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)([Zz+-].*)$"
  )
  local sign, hours, minutes = (zone or ""):match("^([+-])(%d%d):(%d%d)$")
  if not zone or not (sign or zone:lower() == "z") then
    error(name .. ": is no time such as 2027-01-31T22:00:00Z", 0)
  end
  local utc = os.time({
    year = tonumber(year), month = tonumber(month), day = tonumber(day),
    hour = tonumber(hour), min = tonumber(minute), sec = tonumber(second),
  })
  local east = sign and (sign == "+" and 1 or -1) * (hours * 3600 + minutes * 60) or 0
  return utc - east
end

-- Whether a path is one of those or below it.
local function is_below(path, prefixes)
  for _, prefix in ipairs(prefixes) do
    local following = path:sub(#prefix + 1, #prefix + 1)
    if path:sub(1, #prefix) == prefix
      and (following == "" or following == "/" or prefix:sub(-1) == "/") then
      return true
    end
  end
  return false
end

local function has_key(req, options)
  local key = options.bypassKey
  if not key then return false end
  local sent = req.headers[options.bypassHeader] or req.cookies[options.bypassCookie]
  return sent ~= nil and crypto.equal(sent, key)
end

return {
  schema = {
    doc = "Answers in the place of a service that is being worked on.",
    standalone = true,
    enabled = { type = "boolean", default = true, doc = "Whether requests are stopped." },
    from = {
      type = "string", default = "",
      doc = "When it begins, such as 2027-01-31T22:00:00Z; at once unless it is set.",
    },
    ["until"] = {
      type = "string", default = "",
      doc = "When it ends; never unless it is set. Clients are told to come back then.",
    },
    status = {
      type = "integer", default = 503, min = 200, max = 999, doc = "The status of the answer.",
    },
    body = {
      type = "string", default = "Service Unavailable\n", doc = "The body of the answer.",
    },
    bodyFile = {
      type = "file", crd = false, doc = "A file with the body, in the place of `body`.",
    },
    contentType = {
      type = "string", default = "text/plain; charset=utf-8", doc = "What the body is.",
    },
    service = {
      type = "service",
      doc = "A service that makes the answer; it gets the request, and `status` is put in.",
    },
    retryAfter = {
      type = "duration", default = "0s",
      doc = "When clients are told to come back; the end of `until` unless it is set.",
    },
    excludedPaths = {
      type = "list", of = "string", default = {},
      doc = "Paths that are served all the same, and all below them.",
    },
    sourceRange = {
      type = "list", of = "cidr", default = {},
      doc = "Addresses and networks of clients that pass.",
    },
    ipStrategy = {
      type = "object",
      doc = "Which address is the client's; that of the connection unless set.",
      fields = {
        depth = {
          type = "integer", default = 0, min = 0,
          doc = "The place in `X-Forwarded-For`, counted from the right.",
        },
        excludedIPs = {
          type = "list", of = "cidr",
          doc = "Addresses in `X-Forwarded-For` that are passed over from the right.",
        },
        ipv6Subnet = {
          type = "integer", min = 0, max = 128,
          doc = "The length of the IPv6 network that counts as one address.",
        },
      },
    },
    bypassKey = {
      type = "secret", non_empty = true,
      doc = "A key with which clients pass; nobody does unless it is set.",
    },
    bypassHeader = {
      type = "string", default = "X-Maintenance-Key", doc = "The header that holds the key.",
    },
    bypassCookie = {
      type = "string", default = "maintenance-key", doc = "The cookie that holds the key.",
    },
  },

  setup = function(options)
    local how = options.ipStrategy or {}
    local allowed = options.sourceRange
    return {
      from = moment(options.from, "from"),
      till = moment(options["until"], "until"),
      allowed = #allowed > 0 and ip.set(allowed) or nil,
      clients = ip.strategy({
        depth = how.depth, excluded = how.excludedIPs, ipv6_subnet = how.ipv6Subnet,
      }),
    }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    if not options.enabled then return end
    local now = os.time()
    if (state.from and now < state.from) or (state.till and now >= state.till) then return end
    if is_below(req.path, options.excludedPaths) or has_key(req, options) then return end
    if state.allowed and state.allowed:contains(state.clients:client(req)) then return end
    local res
    if options.service then
      res = ctx.service(options.service)
      if res then res.status = options.status end
    end
    res = res or respond(options.status, options.bodyFile or options.body, {
      ["Content-Type"] = options.contentType,
    })
    -- What stands in the place of the service must not be taken for it later.
    res.headers["Cache-Control"] = "no-store"
    local wait = options.retryAfter
    if wait == 0 and state.till then wait = state.till - now end
    if wait > 0 then res.headers["Retry-After"] = string.format("%d", math.ceil(wait)) end
    return res
  end,
}
