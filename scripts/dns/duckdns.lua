-- Duck DNS. A domain has one text, which is that of all names below it; so records are set one
-- after another.

local function tell(options, fqdn, what)
  -- The domain is the label in front of duckdns.org, whatever stands in front of it.
  local domain = string.match(string.gsub(fqdn, "%.$", ""), "([^.]+)%.duckdns%.org$")
  if not domain then error(fqdn .. " is not below duckdns.org", 0) end
  local address = "https://www.duckdns.org/update?domains=" .. url.encode(domain)
    .. "&token=" .. url.encode(options.DUCKDNS_TOKEN) .. what
  local res, why = http.fetch(address, { timeout = options.DUCKDNS_HTTP_TIMEOUT })
  if not res then error("update of " .. domain .. ": " .. why, 0) end
  local text = res:body()
  if string.sub(text, 1, 2) ~= "OK" then
    error(string.format("update of %s: status %d: %s", domain, res.status, text), 0)
  end
end

return {
  name = "Duck DNS",

  schema = {
    DUCKDNS_TOKEN = { type = "secret", required = true, doc = "The account's token." },
    DUCKDNS_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    DUCKDNS_POLLING_INTERVAL = {
      type = "duration", default = 2, doc = "How often to look for it.",
    },
    DUCKDNS_SEQUENCE_INTERVAL = {
      type = "duration", default = 60, doc = "The pause between two records.",
    },
    DUCKDNS_HTTP_TIMEOUT = {
      type = "duration", default = 30, doc = "How long a request may take.",
    },
  },

  present = function(challenge, ctx)
    tell(ctx.options, challenge.fqdn, "&txt=" .. url.encode(challenge.value))
  end,

  cleanup = function(challenge, ctx)
    tell(ctx.options, challenge.fqdn, "&txt=&clear=true")
  end,
}
