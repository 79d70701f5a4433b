-- Lets connections of some addresses and networks in and closes all others.
return {
  schema = {
    standalone = false,
    sourceRange = {
      type = "list", of = "cidr", default = {},
      doc = "Addresses and networks that are let in.",
    },
  },

  setup = function(options)
    if #options.sourceRange == 0 then error("ipAllowList.sourceRange: is empty", 0) end
    return { allowed = ip.set(options.sourceRange) }
  end,

  stream = function(conn, ctx)
    if ctx.state.allowed:contains(conn.remote_ip) then return end
    log.debug("refused a connection", { address = conn.remote_ip })
    conn:close()
  end,
}
