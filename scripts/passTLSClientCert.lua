-- Tells servers of the client's TLS certificate: the certificate itself in
-- X-Forwarded-Tls-Client-Cert, what it says in X-Forwarded-Tls-Client-Cert-Info.
local function flag(doc) return { type = "boolean", default = false, doc = doc } end

local function name_fields(with_unit)
  local fields = {
    country = flag("Whether the country is told, as `C`."),
    province = flag("Whether the province is told, as `ST`."),
    locality = flag("Whether the locality is told, as `L`."),
    organization = flag("Whether the organization is told, as `O`."),
    commonName = flag("Whether the common name is told, as `CN`."),
    serialNumber = flag("Whether the name's serial number is told, as `SN`."),
    domainComponent = flag("Whether domain components are told, as `DC`."),
  }
  if with_unit then
    fields.organizationalUnit = flag("Whether the organizational unit is told, as `OU`.")
  end
  return fields
end

-- The parts of a name in the order they are told: option, key of the facts, key on the wire, and
-- whether the last of several alone counts.
local parts = {
  { "domainComponent", "domain_component", "DC" },
  { "country", "country", "C" },
  { "province", "province", "ST" },
  { "locality", "locality", "L" },
  { "organization", "organization", "O" },
  { "organizationalUnit", "organizational_unit", "OU" },
  { "serialNumber", "serial_number", "SN", true },
  { "commonName", "common_name", "CN", true },
}

local function name_text(options, name)
  local told = {}
  for _, part in ipairs(parts) do
    local values = name[part[2]]
    if options[part[1]] then
      local first = part[4] and math.max(#values, 1) or 1
      for i = first, #values do
        if values[i] ~= "" then told[#told + 1] = part[3] .. "=" .. values[i] end
      end
    end
  end
  return table.concat(told, ",")
end

local function facts_text(info, facts)
  local told = {}
  local function tell(key, value)
    if value ~= "" then told[#told + 1] = key .. '="' .. value .. '"' end
  end
  if info.subject then tell("Subject", name_text(info.subject, facts.subject)) end
  if info.issuer then tell("Issuer", name_text(info.issuer, facts.issuer)) end
  if info.serialNumber then tell("SerialNumber", facts.serial) end
  if info.notBefore then tell("NB", string.format("%d", facts.not_before)) end
  if info.notAfter then tell("NA", string.format("%d", facts.not_after)) end
  if info.sans then
    local names = {}
    for _, list in ipairs({ facts.dns_names, facts.emails, facts.addresses, facts.uris }) do
      for _, name in ipairs(list) do names[#names + 1] = name end
    end
    tell("SAN", table.concat(names, ","))
  end
  return table.concat(told, ";")
end

return {
  schema = {
    doc = "Tells servers of the client's TLS certificate: the certificate itself in "
      .. "X-Forwarded-Tls-Client-Cert, what it says in X-Forwarded-Tls-Client-Cert-Info.",
    standalone = false,
    pem = flag("Whether the certificates are told, as PEM without its frame and line breaks."),
    info = {
      type = "object",
      doc = "What is told of the certificates.",
      fields = {
        notAfter = flag("Whether the end of its time is told, as `NA`."),
        notBefore = flag("Whether the beginning of its time is told, as `NB`."),
        sans = flag("Whether the alternative names are told, as `SAN`."),
        serialNumber = flag("Whether the serial number is told, as `SerialNumber`."),
        subject = {
          type = "object", doc = "What is told of the subject, as `Subject`.",
          fields = name_fields(true),
        },
        issuer = {
          type = "object", doc = "What is told of the issuer, as `Issuer`.",
          fields = name_fields(false),
        },
      },
    },
  },

  request = function(req, ctx)
    local o = ctx.options
    local certificates = req.tls and req.tls.certificates or {}
    if #certificates == 0 then
      log.warn("a certificate was to be told of on a request without one")
      return
    end
    if o.pem then
      local all = {}
      for i, der in ipairs(certificates) do all[i] = base64.encode(der) end
      req.headers["X-Forwarded-Tls-Client-Cert"] = table.concat(all, ",")
    end
    if o.info then
      local all = {}
      for i, der in ipairs(certificates) do
        local facts = crypto.x509(der)
        all[i] = facts and facts_text(o.info, facts) or ""
      end
      -- Spaces as in queries.
      local escaped = url.encode(table.concat(all, ",")):gsub("%%20", "+")
      req.headers["X-Forwarded-Tls-Client-Cert-Info"] = escaped
    end
  end,
}
