-- Splits requests among several services: by a header, by a cookie that keeps clients where they
-- are, by something that clients always send, or by weight alone.

-- Weights up to this sum are kept exactly, in every window of as many requests.
local EXACT_MAX = 1000

local function sum_of(arms)
  local sum = 0
  for _, arm in ipairs(arms) do sum = sum + arm.weight end
  return sum
end

-- The order of turns: arms as evenly spread as their weights allow.
local function order_of(arms, sum)
  local order, current = {}, {}
  for turn = 1, sum do
    local best
    for place, arm in ipairs(arms) do
      current[place] = (current[place] or 0) + arm.weight
      if not best or current[place] > current[best] then best = place end
    end
    current[best] = current[best] - sum
    order[turn] = best
  end
  return order
end

-- The arm at a point from 0 to 1 on the line on which arms lie side by side by their weights.
local function arm_at(state, point)
  local at = point * state.sum
  for _, arm in ipairs(state.arms) do
    at = at - arm.weight
    if at < 0 then return arm end
  end
  return state.arms[#state.arms]
end

-- Where a text lies on that line; the same for all workers, and always.
local function point_of(text)
  local digits = crypto.sha256(text, "hex"):sub(1, 12)
  return tonumber(digits, 16) / 2 ^ 48
end

local function by_weight(state)
  if state.order then
    local turn = (state.turns:incr("turn") - 1) % state.sum
    return state.arms[state.order[turn + 1]]
  end
  return arm_at(state, crypto.random(0, 2 ^ 48 - 1) / 2 ^ 48)
end

-- What a client always sends; nil when it does not.
local function constant(req, by, clients)
  if by.header ~= "" then return req.headers[by.header] end
  if by.cookie ~= "" then return req.cookies[by.cookie] end
  if by.query ~= "" then
    local values = req.query and url.parse_query(req.query)[by.query]
    return values and values[1]
  end
  if by.clientIP then return clients:client(req) end
  return nil
end

-- The arm of a request, and whether a cookie must still say so.
local function choose(req, options, state)
  if options.header ~= "" then
    local arm = state.by_name[req.headers[options.header] or ""]
    if arm then return arm, false end
  end
  local cookie = options.cookie
  if cookie then
    local arm = state.by_name[req.cookies[cookie.name] or ""]
    -- A weight of 0 takes an arm away from those who were there.
    if arm and arm.weight > 0 then return arm, false end
  end
  local by = options.stickyBy
  local text = by and constant(req, by, state.clients)
  if text and text ~= "" then return arm_at(state, point_of(options.salt .. text)), false end
  return by_weight(state), cookie ~= nil
end

return {
  schema = {
    doc = "Splits requests among several services.",
    standalone = false,
    arms = {
      type = "list", non_empty = true, required = true,
      of = {
        type = "object",
        fields = {
          name = {
            type = "string", required = true, pattern = "^[A-Za-z0-9_.-]+$",
            doc = "What cookie and header call it.",
          },
          service = {
            type = "service", doc = "Where its requests go; to the router's service unless set.",
          },
          weight = {
            type = "integer", default = 1, min = 0, max = 1000000,
            doc = "Its share; one of 0 gets only requests that name it in the header.",
          },
        },
      },
      doc = "Among what requests are split.",
    },
    header = {
      type = "string", default = "", doc = "A request header that chooses an arm by its name.",
    },
    cookie = {
      type = "object",
      doc = "A cookie that keeps clients with their arm.",
      fields = {
        name = {
          type = "string", default = "split", pattern = "^[A-Za-z0-9_.-]+$",
          doc = "The cookie's name.",
        },
        maxAge = {
          type = "duration", default = "0s",
          doc = "How long it lives; 0 is until the browser is closed.",
        },
        path = { type = "string", default = "/", doc = "The path that it belongs to." },
        domain = { type = "string", default = "", doc = "The domain that it belongs to." },
        secure = { type = "boolean", default = false, doc = "Whether it is sent over TLS alone." },
        httpOnly = { type = "boolean", default = true, doc = "Whether scripts cannot read it." },
        sameSite = {
          type = "enum", values = { "lax", "strict", "none" }, default = "lax",
          doc = "Whether it is sent with requests from other sites.",
        },
      },
    },
    stickyBy = {
      type = "object",
      doc = "Something that a client always sends, by which it gets the same arm without a cookie.",
      fields = {
        header = { type = "string", default = "", doc = "A request header." },
        cookie = { type = "string", default = "", doc = "A cookie of the service's." },
        query = { type = "string", default = "", doc = "A parameter of the query." },
        clientIP = { type = "boolean", default = false, doc = "The client's address." },
      },
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
      },
    },
    salt = {
      type = "string", default = "",
      doc = "Another one deals the clients of stickyBy anew.",
    },
    armHeader = {
      type = "string", default = "", doc = "A request header that tells the service its arm.",
    },
  },

  setup = function(options)
    local state = { arms = options.arms, by_name = {}, sum = sum_of(options.arms) }
    for _, arm in ipairs(options.arms) do
      if state.by_name[arm.name] then error("arms: two are called " .. arm.name, 0) end
      state.by_name[arm.name] = arm
    end
    if state.sum == 0 then error("arms: at least one needs a weight above 0", 0) end
    if state.sum <= EXACT_MAX then
      state.order = order_of(options.arms, state.sum)
      state.turns = store.open("turns", { max = "4KiB" })
    end
    local how = options.ipStrategy or {}
    state.clients = ip.strategy({ depth = how.depth, excluded = how.excludedIPs })
    return state
  end,

  request = function(req, ctx)
    local options = ctx.options
    local arm, must_tell = choose(req, options, ctx.state)
    if options.armHeader ~= "" then req.headers[options.armHeader] = arm.name end
    local res
    if arm.service then
      res = ctx.service(arm.service)
      if not res then
        log.error("there is no such service", { arm = arm.name, service = arm.service })
        return respond(503, "no available server\n")
      end
    elseif not must_tell then
      return
    else
      res = ctx.next()
    end
    if must_tell then
      local cookie = options.cookie
      local same_site = cookie.sameSite:sub(1, 1):upper() .. cookie.sameSite:sub(2)
      res.cookies:set(cookie.name, arm.name, {
        path = cookie.path, secure = cookie.secure, http_only = cookie.httpOnly,
        same_site = same_site, domain = cookie.domain ~= "" and cookie.domain or nil,
        max_age = cookie.maxAge > 0 and cookie.maxAge or nil,
      })
    end
    return res
  end,
}
