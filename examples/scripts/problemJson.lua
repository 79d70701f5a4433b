-- Gives errors of servers one form that programs can read (RFC 9457), and hides their texts.
return {
  response = function(res, ctx)
    if res.status < 400 then return end
    local kind = res.headers["Content-Type"] or ""
    if kind:find("application/problem+json", 1, true) then return end
    local headers = { ["Content-Type"] = "application/problem+json" }
    for _, name in ipairs({ "WWW-Authenticate", "Retry-After", "Allow" }) do
      headers[name] = res.headers:get(name)
    end
    return respond(res.status, json.encode({
      status = res.status, title = status_text(res.status) or "Error",
    }), headers)
  end,
}
