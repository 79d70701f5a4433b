-- Tells the type of answers that come without one, by how their bodies begin.
return {
  schema = {
    doc = "Tells the type of answers that come without one, by how their bodies begin.",
    standalone = true,
    autoDetect = {
      type = "boolean", default = false,
      deprecated = "the middleware itself turns detection on",
      doc = "Has no meaning any more.",
    },
  },

  response = function(res)
    local headers = res.headers
    if headers["Content-Type"] or headers["Content-Encoding"] or res.length == 0 then return end
    if res.status == 101 then return end
    local start = res:peek(512)
    if #start > 0 then headers["Content-Type"] = content.sniff(start) end
  end,
}
