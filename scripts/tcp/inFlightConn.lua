-- Lets so many connections of each address be open at once and closes further ones.
return {
  schema = {
    standalone = false,
    amount = {
      type = "integer", default = 0, min = 0,
      doc = "Connections of one address that may be open.",
    },
  },

  setup = function(options)
    return { open = limit.concurrency({ max = options.amount }) }
  end,

  stream = function(conn, ctx)
    if ctx.state.open:acquire(conn.remote_ip) then return end
    log.debug("refused a connection", { address = conn.remote_ip })
    conn:close()
  end,
}
