-- Any name server that takes updates (RFC 2136), signed with a shared key.

-- What a file of BIND's says of its key: key "NAME" { algorithm ALGORITHM; secret "SECRET"; };
local function key_of_file(path)
  local text, why = machine.read(path)
  if not text then error("RFC2136_TSIG_FILE: " .. why, 0) end
  local name, block = string.match(text, 'key%s+"?([^"%s{]+)"?%s*{(.-)}')
  local algorithm = block and string.match(block, 'algorithm%s+"?([^";%s]+)"?%s*;')
  local secret = block and string.match(block, 'secret%s+"?([^";%s]+)"?%s*;')
  if not (algorithm and secret) then
    error("RFC2136_TSIG_FILE: " .. path .. " holds no key with algorithm and secret", 0)
  end
  return { name = name, algorithm = algorithm, secret = secret }
end

local function access(options)
  local key
  if options.RFC2136_TSIG_FILE then
    key = key_of_file(options.RFC2136_TSIG_FILE)
  elseif options.RFC2136_TSIG_KEY then
    key = {
      name = options.RFC2136_TSIG_KEY, algorithm = options.RFC2136_TSIG_ALGORITHM,
      secret = options.RFC2136_TSIG_SECRET,
    }
  end
  return { key = key, timeout = options.RFC2136_DNS_TIMEOUT }
end

local function change(options, fqdn, what)
  local server, how = options.RFC2136_NAMESERVER, access(options)
  local zone, why = dns.zone(server, fqdn, how)
  if not zone then error(why, 0) end
  local done, failure = dns.update(server, zone, { what }, how)
  if not done then error("zone " .. zone .. ": " .. failure, 0) end
end

return {
  name = "RFC 2136",

  schema = {
    doc = "A name server of yours, such as BIND or Knot, asked over TCP.",
    RFC2136_NAMESERVER = {
      type = "string", required = true, doc = "The server, as `host` or `host:port`.",
    },
    RFC2136_TSIG_KEY = {
      type = "string", doc = "The name of the key that updates are signed with; unsigned without.",
    },
    RFC2136_TSIG_SECRET = { type = "secret", doc = "The key's secret, in base64." },
    RFC2136_TSIG_ALGORITHM = {
      type = "string", default = "hmac-sha1.",
      doc = "`hmac-sha1`, `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.",
    },
    RFC2136_TSIG_FILE = {
      type = "string", doc = "A file with the key, as `tsig-keygen` writes it, in their place.",
    },
    RFC2136_TTL = {
      type = "integer", default = 120, min = 0,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    RFC2136_PROPAGATION_TIMEOUT = {
      type = "duration", default = 60, doc = "How long the record may take to be seen.",
    },
    RFC2136_POLLING_INTERVAL = {
      type = "duration", default = 2, doc = "How often to look for it.",
    },
    RFC2136_SEQUENCE_INTERVAL = {
      type = "duration", doc = "The pause between two records, for servers that need one.",
    },
    RFC2136_DNS_TIMEOUT = {
      type = "duration", default = 10, doc = "How long the server may take to answer.",
    },
  },

  setup = function(options)
    local key, secret = options.RFC2136_TSIG_KEY, options.RFC2136_TSIG_SECRET
    if key and not secret then error("RFC2136_TSIG_SECRET is missing", 0) end
    if secret and not key then error("RFC2136_TSIG_KEY is missing", 0) end
    if key and options.RFC2136_TSIG_FILE then
      error("RFC2136_TSIG_FILE and RFC2136_TSIG_KEY exclude each other", 0)
    end
  end,

  present = function(challenge, ctx)
    local options = ctx.options
    local record = { add = challenge.fqdn, text = challenge.value, ttl = options.RFC2136_TTL }
    change(options, challenge.fqdn, record)
  end,

  cleanup = function(challenge, ctx)
    change(ctx.options, challenge.fqdn, { remove = challenge.fqdn, text = challenge.value })
  end,
}
