-- Lets so many requests of each source be under way at once; others are answered with 429.
-- What a request is counted by: a function of the request.
local function source(criterion)
  local how, header = criterion.ipStrategy, criterion.requestHeaderName
  local host = criterion.requestHost
  if header == "" then header = nil end
  if (how and header) or (how and host) or (header and host) then
    local rule = "only one of ipStrategy, requestHeaderName and requestHost"
    error("inFlightReq.sourceCriterion: " .. rule, 0)
  end
  if header then return function(req) return req.headers:get(header) or "" end end
  if host then return function(req) return req.host end end
  if not how then return function(req) return req.host end end
  local clients = ip.strategy({
    depth = how.depth, excluded = how.excludedIPs, ipv6_subnet = how.ipv6Subnet,
  })
  return function(req) return clients:client(req) end
end

return {
  schema = {
    doc = "Lets so many requests of each source be under way at once; others are answered "
      .. "with 429.",
    standalone = false,
    amount = {
      type = "integer", default = 0, min = 0, doc = "Requests of one source that may be under way.",
    },
    sourceCriterion = {
      type = "object",
      doc = "What requests are counted by; the request's host unless set.",
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
  },

  setup = function(options)
    return {
      source = source(options.sourceCriterion or {}),
      open = limit.concurrency({ max = options.amount }),
    }
  end,

  request = function(req, ctx)
    local state = ctx.state
    -- Each router counts for itself, as in Traefik.
    if state.open:acquire((ctx.router or "") .. "\n" .. state.source(req)) then return end
    local amount = string.format("%d", ctx.options.amount)
    return respond(429, "max connections reached: " .. amount)
  end,
}
