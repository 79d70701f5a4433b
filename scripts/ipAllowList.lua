-- Lets clients of some addresses and networks in and refuses all others.
return {
  schema = {
    doc = "Lets clients of some addresses and networks in and refuses all others.",
    standalone = false,
    sourceRange = {
      type = "list", of = "cidr", default = {},
      doc = "Addresses and networks that are let in.",
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
        ipv6Subnet = {
          type = "integer", min = 0, max = 128,
          doc = "The length of the IPv6 network that counts as one address.",
        },
      },
    },
    rejectStatusCode = {
      type = "integer", default = 403, min = 100, max = 999,
      doc = "The status that others get.",
    },
  },

  setup = function(options)
    if #options.sourceRange == 0 then error("ipAllowList.sourceRange: is empty", 0) end
    if not status_text(options.rejectStatusCode) then
      error("ipAllowList.rejectStatusCode: is no status with a name", 0)
    end
    local how = options.ipStrategy or {}
    return {
      allowed = ip.set(options.sourceRange),
      clients = ip.strategy({
        depth = how.depth, excluded = how.excludedIPs, ipv6_subnet = how.ipv6Subnet,
      }),
    }
  end,

  request = function(req, ctx)
    local address = ctx.state.clients:client(req)
    if ctx.state.allowed:contains(address) then return end
    log.debug("refused a client", { address = address })
    local status = ctx.options.rejectStatusCode
    return respond(status, status_text(status))
  end,
}
