-- For TCP routers: lets each address open so many connections a minute, against guessers of
-- passwords for databases and mail.
return {
  schema = {
    per_minute = { type = "integer", default = 30, min = 1, doc = "Connections of one address." },
  },

  setup = function(options)
    return limit.rate({ average = options.per_minute, period = "1m", burst = options.per_minute, max_wait = 0 })
  end,

  stream = function(conn, ctx)
    if not ctx.state:take(conn.remote_ip) then conn:close() end
  end,
}
