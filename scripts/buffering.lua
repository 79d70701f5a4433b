-- Reads requests and answers to their end before they go on, refuses those that are too large, and
-- sends a request again while an expression holds.
local TRIES_MAX = 10

local function room(max, memory)
  return { limit = max > 0 and max or nil, memory = memory }
end

local function size(doc, default)
  return { type = "integer", default = default, min = 0, doc = doc }
end

return {
  schema = {
    doc = "Reads requests and answers to their end before they go on, refuses those that are "
      .. "too large, and sends a request again while an expression holds.",
    standalone = false,
    maxRequestBodyBytes = size("Larger requests are answered with 413; 0 is no limit.", 0),
    memRequestBodyBytes = size("What is more of a request is kept in a file.", 1048576),
    maxResponseBodyBytes = size("Larger answers become 500; 0 is no limit.", 0),
    memResponseBodyBytes = size("What is more of an answer is kept in a file.", 1048576),
    retryExpression = {
      type = "string", default = "",
      doc = "While it holds the request is sent again: IsNetworkError(), Attempts(), "
        .. "ResponseCode() and RequestMethod(), compared and combined with && and ||.",
    },
  },

  setup = function(options)
    local text = options.retryExpression
    if text == "" then return {} end
    return {
      again = predicate.compile(text, {
        IsNetworkError = { returns = "boolean" },
        Attempts = { returns = "number" },
        ResponseCode = { returns = "number" },
        RequestMethod = { returns = "string" },
      }),
    }
  end,

  request = function(req, ctx)
    local options, again = ctx.options, ctx.state.again
    local method = req.method
    if not req:buffer(room(options.maxRequestBodyBytes, options.memRequestBodyBytes)) then
      return respond(413, "Request Entity Too Large")
    end
    if again then req:keep() end
    local tries = 0
    while true do
      tries = tries + 1
      local res = ctx.next()
      local status = res.status
      if not res:buffer(room(options.maxResponseBodyBytes, options.memResponseBodyBytes)) then
        res = respond(500, "Internal Server Error")
      end
      if not again or tries > TRIES_MAX or not again:test({
        IsNetworkError = status == 502 or status == 504,
        Attempts = tries,
        ResponseCode = status,
        RequestMethod = method,
      }) then
        return res
      end
      req.retry_attempts = tries
    end
  end,
}
