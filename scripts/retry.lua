-- Sends a request again when no server could be reached, or when an answer has a status of a list.
local unseen = { connect = true, connect_timeout = true }
local not_idempotent = { POST = true, PATCH = true, LOCK = true }

-- Ranges from texts such as "500-599", "404" or "400,500-502".
local function ranges(texts)
  local all = {}
  for _, text in ipairs(texts) do
    for part in text:gsub("%s", ""):gmatch("[^,]+") do
      local first, last = part:match("^(%d+)%-(%d+)$")
      if not first then first, last = part:match("^(%d+)$"), part:match("^(%d+)$") end
      if not first then error("status: " .. part .. " is neither a status nor a range", 0) end
      all[#all + 1] = { tonumber(first), tonumber(last) }
    end
  end
  return all
end

local function holds(all, status)
  for _, range in ipairs(all) do
    if status >= range[1] and status <= range[2] then return true end
  end
  return false
end

return {
  schema = {
    doc = "Sends a request again when no server could be reached, or when an answer has a "
      .. "status of a list.",
    standalone = false,
    attempts = {
      type = "integer", required = true,
      doc = "How often a request is sent at most, the first time included.",
    },
    initialInterval = {
      type = "duration", default = "0s",
      doc = "The pause before the second attempt; the pauses grow to twice as much.",
    },
    timeout = {
      type = "duration", default = "0s",
      doc = "Nothing is sent again when so much time has passed; 0 is no limit.",
    },
    status = {
      type = "list", of = "string", default = {},
      doc = "Statuses that are tried again as well, such as 503 or 500-599.",
    },
    disableRetryOnNetworkError = {
      type = "boolean", default = false,
      doc = "Do not try again when no server could be reached.",
    },
    retryNonIdempotentMethod = {
      type = "boolean", default = false,
      doc = "Let the list of statuses count for POST, PATCH and LOCK too.",
    },
    maxRequestBodyBytes = {
      type = "integer", default = 2097152, min = -1,
      doc = "Requests with larger bodies are not tried again for their status; -1 is no limit.",
    },
  },

  setup = function(options)
    if options.attempts <= 0 then error("attempts: must be at least 1", 0) end
    local status = ranges(options.status)
    if #status == 0 and options.disableRetryOnNetworkError then
      error("needs a status when network errors are not tried again", 0)
    end
    local growth = 1
    if options.attempts > 1 then growth = 2 ^ (1 / (options.attempts - 1)) end
    return { status = status, growth = growth }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    if options.attempts == 1 then return end
    local status = state.status
    if not options.retryNonIdempotentMethod and not_idempotent[req.method] then status = {} end
    if #status > 0 then
      local max = options.maxRequestBodyBytes
      if not req:buffer({ limit = max >= 0 and max or nil }) then status = {} end
    end
    req:keep()
    local started, pause = os.clock(), options.initialInterval
    local tries = 0
    while true do
      tries = tries + 1
      local res = ctx.next()
      local late = options.timeout > 0 and os.clock() - started >= options.timeout
      local unreached = unseen[res.error] and not options.disableRetryOnNetworkError
      if tries >= options.attempts or late or not (unreached or holds(status, res.status)) then
        return res
      end
      req.retry_attempts = tries
      if pause > 0 then
        -- Clients that failed together do not come back together.
        time.sleep(pause * (0.5 + math.random()))
        pause = pause * state.growth
      end
    end
  end,
}
