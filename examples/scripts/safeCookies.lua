-- Makes cookies of an application safe that sets them carelessly.
return {
  schema = {
    same_site = { type = "enum", values = { "Lax", "Strict", "None" }, default = "Lax", doc = "The value." },
  },

  response = function(res, ctx)
    local lines = res.headers:all("Set-Cookie")
    if #lines == 0 then return end
    res.headers["Set-Cookie"] = nil
    for _, line in ipairs(lines) do
      local lower = line:lower()
      if not lower:find("; *secure") then line = line .. "; Secure" end
      if not lower:find("; *httponly") then line = line .. "; HttpOnly" end
      if not lower:find("; *samesite=") then line = line .. "; SameSite=" .. ctx.options.same_site end
      res.headers:add("Set-Cookie", line)
    end
  end,
}
