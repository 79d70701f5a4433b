-- Adds, replaces and removes headers of requests and responses. The options for security headers
-- and for CORS are known by name and refused.
local refused = {
  "accessControlAllowCredentials", "accessControlAllowHeaders", "accessControlAllowMethods",
  "accessControlAllowOriginList", "accessControlAllowOriginListRegex",
  "accessControlExposeHeaders", "accessControlMaxAge", "addVaryHeader", "allowedHosts",
  "hostsProxyHeaders", "sslRedirect", "sslTemporaryRedirect", "sslHost", "sslProxyHeaders",
  "sslForceHost", "stsSeconds", "stsIncludeSubdomains", "stsPreload", "forceSTSHeader",
  "frameDeny", "customFrameOptionsValue", "contentTypeNosniff", "browserXssFilter",
  "customBrowserXSSValue", "contentSecurityPolicy", "contentSecurityPolicyReportOnly",
  "publicKey", "referrerPolicy", "featurePolicy", "permissionsPolicy", "isDevelopment",
}

local schema = {
  standalone = false,
  customRequestHeaders = {
    type = "map", of = "string", default = {},
    doc = "Headers of the request by name; an empty value removes the header.",
  },
  customResponseHeaders = {
    type = "map", of = "string", default = {},
    doc = "Headers of the response by name; an empty value removes the header.",
  },
}
for _, name in ipairs(refused) do
  schema[name] = { type = "any", doc = "Not supported yet; only an off value is accepted." }
end

-- Whether a value means what leaving the option out means.
local function is_off(value)
  if type(value) == "table" then return next(value) == nil end
  return value == nil or value == false or value == "" or value == 0 or value == "false"
end

local function apply(headers, changes)
  for name, value in pairs(changes) do
    if value == "" then
      headers[name] = nil
    else
      headers[name] = value
    end
  end
end

return {
  schema = schema,

  setup = function(options)
    for _, name in ipairs(refused) do
      if not is_off(options[name]) then error("headers." .. name .. ": not supported yet", 0) end
    end
  end,

  request = function(req, ctx)
    apply(req.headers, ctx.options.customRequestHeaders)
  end,

  response = function(res, ctx)
    apply(res.headers, ctx.options.customResponseHeaders)
  end,
}
