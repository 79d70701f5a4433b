-- Stops sending requests to a service that fails: when the expression holds, requests are answered
-- at once for a while, then more and more of them are let through again.
--
-- The state of a router's breaker is one value that all workers see: none (closed), "open UNTIL" or
-- "recovering FROM ALLOWED DENIED", with times of `os.clock`.
local functions = {
  NetworkErrorRatio = { returns = "number" },
  ResponseCodeRatio = { returns = "number", arguments = 4 },
  LatencyAtQuantileMS = { returns = "number", arguments = 1 },
}

-- What the expression's functions say of the answers.
local function facts(answers)
  return {
    NetworkErrorRatio = function()
      return answers:ratio(502, 503, 0, 1000) + answers:ratio(504, 505, 0, 1000)
    end,
    ResponseCodeRatio = function(a, b, c, d) return answers:ratio(a, b, c, d) end,
    LatencyAtQuantileMS = function(percent) return math.floor(answers:latency(percent) * 1000) end,
  }
end

local function parse(state)
  local kind, rest = state:match("^(%a+) (.*)$")
  local numbers = {}
  for number in rest:gmatch("%S+") do numbers[#numbers + 1] = tonumber(number) end
  return kind, numbers[1], numbers[2], numbers[3]
end

local function recovering(from, allowed, denied)
  return string.format("recovering %.6f %d %d", from, allowed, denied)
end

-- Whether a request may pass.
local function may_pass(states, key, options)
  while true do
    local state = states:get(key)
    if not state then return true end
    local now = os.clock()
    local kind, from, allowed, denied = parse(state)
    if kind == "open" then
      if now < from then return false end
      -- The first request after the time begins the recovery, and is not let through.
      if states:cas(key, state, recovering(now, 0, 1)) then return false end
    elseif now > from + options.recoveryDuration then
      if states:cas(key, state, nil) then return true end
    else
      -- From none to half of the requests: then as many have passed as were refused.
      local wanted = 0.5 * (now - from) / options.recoveryDuration
      local passes = (allowed + 1) / (allowed + 1 + denied) < wanted
      if passes then allowed = allowed + 1 else denied = denied + 1 end
      if states:cas(key, state, recovering(from, allowed, denied)) then return passes end
    end
  end
end

return {
  differs = "it measures the time to the head of an answer, not to its end",
  schema = {
    doc = "Stops sending requests to a service that fails, and lets them through again bit by bit.",
    standalone = false,
    expression = {
      type = "string", required = true, non_empty = true,
      doc = "When requests are stopped, such as `NetworkErrorRatio() > 0.5`; there are also "
        .. "`ResponseCodeRatio(from, to, ofFrom, ofTo)` and `LatencyAtQuantileMS(percent)`.",
    },
    checkPeriod = {
      type = "duration", default = "100ms", doc = "How often the expression is looked at.",
    },
    fallbackDuration = {
      type = "duration", default = "10s", doc = "How long all requests are stopped.",
    },
    recoveryDuration = {
      type = "duration", default = "10s", doc = "How long requests are let through bit by bit.",
    },
    responseCode = {
      type = "integer", default = 503, min = 100, max = 999,
      doc = "The status that stopped requests get.",
    },
  },

  setup = function(options)
    return {
      tripped = predicate.compile(options.expression, functions),
      states = store.open("states"),
      -- By router: each has a breaker of its own, as in Traefik.
      answers = {},
    }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local router = ctx.router or ""
    if not may_pass(state.states, router, options) then
      return respond(options.responseCode, status_text(options.responseCode))
    end
    local answers = state.answers[router]
    if not answers then
      local window = stats.window(router)
      answers = { window = window, facts = facts(window) }
      state.answers[router] = answers
    end
    local began = os.clock()
    local res = ctx.next()
    answers.window:record(res.status, math.max(os.clock() - began, 0))
    if state.states:add("checked " .. router, true, options.checkPeriod)
      and state.tripped:test(answers.facts) then
      local now = os.clock()
      local open = string.format("open %.6f", now + options.fallbackDuration)
      -- One that is open stays so; one that recovers begins anew.
      local before = state.states:get(router)
      if not (before and before:sub(1, 5) == "open ") then
        if state.states:cas(router, before, open) then answers.window:reset() end
      end
    end
    return res
  end,
}
