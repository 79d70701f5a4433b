-- Refuses clients by the country that a content network or balancer in front of us tells.
return {
  schema = {
    header = { type = "string", default = "CF-IPCountry", doc = "The header with the country." },
    allowed = { type = "list", of = "string", default = {}, doc = "The only countries that are served." },
    denied = { type = "list", of = "string", default = {}, doc = "Countries that are not served." },
  },

  setup = function(options)
    if #options.allowed > 0 and #options.denied > 0 then error("allowed or denied, not both", 0) end
    local countries = {}
    for _, list in ipairs({ options.allowed, options.denied }) do
      for _, country in ipairs(list) do countries[country:upper()] = true end
    end
    return { countries = countries, allows = #options.allowed > 0 }
  end,

  request = function(req, ctx)
    local country = (req.headers:get(ctx.options.header) or ""):upper()
    local is_named = ctx.state.countries[country] == true
    if is_named ~= ctx.state.allows then return respond(451, status_text(451)) end
  end,
}
