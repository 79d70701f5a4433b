-- Any service of the user's that is told by HTTP: POST /present and POST /cleanup.

local function tell(what, challenge, options)
  local message = { fqdn = challenge.fqdn, value = challenge.value }
  if options.HTTPREQ_MODE == "RAW" then
    message = {
      domain = challenge.domain, token = challenge.token, keyAuth = challenge.key_authorization,
    }
  end
  local headers = { ["Content-Type"] = "application/json", ["Accept"] = "application/json" }
  if options.HTTPREQ_USERNAME and options.HTTPREQ_PASSWORD then
    local pair = options.HTTPREQ_USERNAME .. ":" .. options.HTTPREQ_PASSWORD
    headers["Authorization"] = "Basic " .. base64.encode(pair)
  end
  local address = string.gsub(options.HTTPREQ_ENDPOINT, "/+$", "") .. "/" .. what
  local res, why = http.fetch(address, {
    method = "POST", headers = headers, body = json.encode(message),
    timeout = options.HTTPREQ_HTTP_TIMEOUT,
  })
  if not res then error("POST /" .. what .. ": " .. why, 0) end
  if res.status >= 300 then
    error(string.format("POST /%s: status %d: %s", what, res.status, res:body()), 0)
  end
end

return {
  name = "HTTP request",

  schema = {
    doc = "Asks a service of your own: `POST /present` and `POST /cleanup` with "
      .. '`{"fqdn": …, "value": …}`.',
    HTTPREQ_ENDPOINT = { type = "string", required = true, doc = "The service's URL." },
    HTTPREQ_MODE = {
      type = "string",
      doc = '`RAW` sends `{"domain": …, "token": …, "keyAuth": …}` instead.',
    },
    HTTPREQ_USERNAME = { type = "string", doc = "With the password: basic authentication." },
    HTTPREQ_PASSWORD = { type = "secret", doc = "With the user's name: basic authentication." },
    HTTPREQ_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    HTTPREQ_POLLING_INTERVAL = {
      type = "duration", default = 2, doc = "How often to look for it.",
    },
    HTTPREQ_HTTP_TIMEOUT = {
      type = "duration", default = 30, doc = "How long a request may take.",
    },
  },

  present = function(challenge, ctx) tell("present", challenge, ctx.options) end,
  cleanup = function(challenge, ctx) tell("cleanup", challenge, ctx.options) end,
}
