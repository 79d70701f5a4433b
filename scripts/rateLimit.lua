-- Lets so many requests of each source pass in a period: a bucket of tokens per source and router.
-- A request whose token is about to come waits for it, others are answered with 429.
-- What a request is counted by: a function of the request.
local function source(criterion)
  local how, header = criterion.ipStrategy, criterion.requestHeaderName
  local host = criterion.requestHost
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

-- The same bucket in Redis, by the clock of Redis: whether there is a token, and after how many
-- seconds it is there, or would be.
local take_in_redis = [[
local clock = redis.call("TIME")
local now = clock[1] + clock[2] / 1000000
local rate, burst, max_wait = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call("HMGET", KEYS[1], "last", "tokens")
local tokens = burst
if known[1] then
  tokens = math.min(burst, known[2] + math.max(0, now - known[1]) * rate)
end
tokens = tokens - 1
local wait = math.max(0, -tokens / rate)
if wait > max_wait then return { 0, string.format("%.9f", wait) } end
redis.call("HSET", KEYS[1], "last", string.format("%.6f", now),
  "tokens", string.format("%.9f", tokens))
redis.call("PEXPIRE", KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1)
return { 1, string.format("%.9f", wait) }
]]

-- Takes a token out of a key's bucket in Redis; nil when Redis does not say.
local function take_from(client, state, key)
  local answer, why = client:eval(
    take_in_redis, { key }, string.format("%.17g", state.per_second),
    string.format("%.17g", state.burst), string.format("%.17g", state.max_wait)
  )
  if type(answer) ~= "table" then
    log.error("Redis does not count", { why = why })
    return nil
  end
  return answer[1] == 1, tonumber(answer[2])
end

local function redis_client(options)
  local pool = options.poolSize
  local most = options.maxActiveConns
  if most > 0 and (pool == 0 or most < pool) then pool = most end
  return redis.client({
    endpoints = options.endpoints, tls = options.tls, db = options.db,
    username = options.username or "", password = options.password or "",
    pool_size = pool, min_idle = options.minIdleConns, dial_timeout = options.dialTimeout,
    read_timeout = options.readTimeout, write_timeout = options.writeTimeout,
  })
end

-- Whether a request may pass, and after how many seconds; nil when nobody can say.
local function take(state, key, options)
  if not state.client then return state.rate:take(key) end
  if options.average == 0 then return true, 0 end
  local allowed, wait = take_from(state.client, state, "rate:" .. state.name .. "\n" .. key)
  if allowed ~= nil then return allowed, wait end
  local unavailable = options.redis.whenUnavailable
  if unavailable == "allow" then return true, 0 end
  if unavailable == "memory" then return state.rate:take(key) end
  return nil
end

return {
  differs = {
    redis = "buckets in Redis have a key and a script of their own, so that they are not shared "
      .. "with Traefik's",
  },
  schema = {
    doc = "Lets so many requests of each source pass in a period.",
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
    redis = {
      type = "object",
      doc = "Counts in Redis, over all Moongates that use it.",
      fields = {
        endpoints = {
          type = "list", of = "string", default = { "localhost:6379" }, non_empty = true,
          doc = "Servers as host:port; of a cluster some of them.",
        },
        username = {
          type = "secret", doc = "The user's name.",
          crd = {
            name = "secret", type = "secret", keys = { "username" },
            doc = "The Secret with username and password.",
          },
        },
        password = {
          type = "secret", doc = "The user's password.",
          crd = {
            name = "secret", type = "secret", keys = { "password" },
            doc = "The Secret with username and password.",
          },
        },
        db = { type = "integer", default = 0, min = 0, doc = "The number of the database." },
        tls = { type = "tlsClient", doc = "TLS towards Redis; not encrypted unless set." },
        poolSize = {
          type = "integer", default = 0, min = 0,
          doc = "Commands under way at once over all workers; 0 is 10 for each core.",
        },
        minIdleConns = {
          type = "integer", default = 0, min = 0,
          doc = "Connections of each worker that stay open however long they idle.",
        },
        maxActiveConns = {
          type = "integer", default = 0, min = 0,
          doc = "Limits poolSize; 0 is no limit of its own.",
        },
        readTimeout = {
          type = "duration", default = "3s", doc = "How long an answer of Redis may take.",
        },
        writeTimeout = {
          type = "duration", default = "3s", doc = "How long sending to Redis may take.",
        },
        dialTimeout = {
          type = "duration", default = "5s", doc = "How long connecting to Redis may take.",
        },
        whenUnavailable = {
          type = "enum", values = { "fail", "allow", "memory" }, default = "fail",
          doc = "What becomes of requests when Redis is away: 500, pass, or counted here alone.",
        },
      },
    },
  },

  setup = function(options, ctx)
    local period = options.period > 0 and options.period or 1
    local per_second = options.average / period
    -- Half the time between two tokens; Traefik cuts the rate to a whole number here.
    local max_wait = 0.5
    if per_second >= 1 then max_wait = 1 / (math.floor(per_second) * 2) end
    local burst = math.max(options.burst, 1)
    return {
      source = source(options.sourceCriterion or {}),
      rate = limit.rate({
        average = options.average, period = period, burst = burst, max_wait = max_wait,
      }),
      client = options.redis and redis_client(options.redis) or nil,
      name = ctx.name, per_second = per_second, burst = burst, max_wait = max_wait,
    }
  end,

  request = function(req, ctx)
    local state = ctx.state
    -- Each router has buckets of its own, as in Traefik.
    local key = (ctx.router or "") .. "\n" .. state.source(req)
    local allowed, wait = take(state, key, ctx.options)
    if allowed == nil then return respond(500, "Could not insert/update bucket") end
    if not allowed then
      return respond(429, status_text(429), {
        ["Retry-After"] = string.format("%d", math.ceil(wait)),
        ["X-Retry-In"] = time.text(wait),
      })
    end
    if wait > 0 then time.sleep(wait) end
  end,
}
