-- Lets so many requests of each source pass in a period: a bucket of tokens per source and router.
-- A request whose token is about to come waits for it, others are answered with 429.
-- What a request is counted by: a function of the request.
local function source(criterion)
  local how, header, host = criterion.ipStrategy, criterion.requestHeaderName, criterion.requestHost
  if header == "" then header = nil end
  if (how and header) or (how and host) or (header and host) then
    error("rateLimit.sourceCriterion: only one of ipStrategy, requestHeaderName and requestHost", 0)
  end
  if header then return function(req) return req.headers:get(header) or "" end end
  if host then return function(req) return req.host end end
  how = how or {}
  local clients = ip.strategy({
    depth = how.depth, excluded = how.excludedIPs, ipv6_subnet = how.ipv6Subnet,
  })
  return function(req) return clients:client(req) end
end

return {
  schema = {
    standalone = false,
    average = {
      type = "integer", default = 0, min = 0, doc = "Requests in a period; 0 for any number.",
    },
    period = { type = "duration", default = "1s", doc = "The time that `average` speaks of." },
    burst = { type = "integer", default = 1, min = 0, doc = "Requests that may come at once." },
    sourceCriterion = {
      type = "object",
      doc = "What requests are counted by; the client's address unless set.",
      fields = {
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
        requestHeaderName = { type = "string", doc = "The request header to count by." },
        requestHost = {
          type = "boolean", default = false, doc = "Counts by the request's host.",
        },
      },
    },
    redis = { type = "any", doc = "Not supported yet." },
  },

  setup = function(options)
    if options.redis ~= nil then error("rateLimit.redis: not supported yet", 0) end
    local period = options.period > 0 and options.period or 1
    local per_second = options.average / period
    -- Half the time between two tokens; Traefik cuts the rate to a whole number here.
    local max_wait = 0.5
    if per_second >= 1 then max_wait = 1 / (math.floor(per_second) * 2) end
    return {
      source = source(options.sourceCriterion or {}),
      rate = limit.rate({
        average = options.average, period = period, burst = math.max(options.burst, 1),
        max_wait = max_wait,
      }),
    }
  end,

  request = function(req, ctx)
    local state = ctx.state
    -- Each router has buckets of its own, as in Traefik.
    local allowed, wait = state.rate:take((ctx.router or "") .. "\n" .. state.source(req))
    if not allowed then
      return respond(429, status_text(429), {
        ["Retry-After"] = string.format("%d", math.ceil(wait)),
        ["X-Retry-In"] = time.text(wait),
      })
    end
    if wait > 0 then time.sleep(wait) end
  end,
}
