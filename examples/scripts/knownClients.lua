-- For TLS options: keeps out programs by what their handshakes look like, whatever they say of
-- themselves later, and clients that ask for no name.
local REFUSED = {
  -- The list that your log has taught you; these two are samples.
  ["t13d1516h2_8daaf6152771_e5627efa2ab1"] = "a browser of 2023",
  ["t13i190900_9dc949149365_97f8aa674fd9"] = "a scanner",
}

local refused = metrics.counter("handshakes_refused")

return {
  tls = function(hello, ctx)
    local why = if hello.sni == nil then "no name" else REFUSED[hello.ja4 or ""]
    if why then
      refused:inc({ why = why })
      log.info("a handshake is refused", { why = why, ja4 = hello.ja4, ip = hello.remote_ip })
      hello:close()
    end
  end,
}
