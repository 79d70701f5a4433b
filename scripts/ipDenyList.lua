-- Refuses clients of some addresses and networks and lets all others in.
return {
  schema = {
    doc = "Refuses clients of some addresses and networks and lets all others in.",
    standalone = false,
    sourceRange = {
      type = "list", of = "cidr", default = {},
      doc = "Addresses and networks that are refused.",
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
      type = "integer", default = 403, min = 200, max = 999,
      doc = "The status that they get.",
    },
  },

  setup = function(options)
    if #options.sourceRange == 0 then error("ipDenyList.sourceRange: is empty", 0) end
    if not status_text(options.rejectStatusCode) then
      error("ipDenyList.rejectStatusCode: is no status with a name", 0)
    end
    local how = options.ipStrategy or {}
    return {
      denied = ip.set(options.sourceRange),
      clients = ip.strategy({
        depth = how.depth, excluded = how.excludedIPs, ipv6_subnet = how.ipv6Subnet,
      }),
    }
  end,

  request = function(req, ctx)
    local address = ctx.state.clients:client(req)
    -- Who says nothing of where it comes from would pass every list.
    if address ~= "" and not ctx.state.denied:contains(address) then return end
    log.debug("refused a client", { address = address })
    local status = ctx.options.rejectStatusCode
    return respond(status, status_text(status))
  end,
}
