-- Gandi, by its LiveDNS API (version 5). A name's texts are one set, so that a record is set by
-- adding to it and taken away by leaving it out.

local function ask(options, method, path, body)
  local key = "Bearer " .. (options.GANDIV5_PERSONAL_ACCESS_TOKEN or "")
  if not options.GANDIV5_PERSONAL_ACCESS_TOKEN then key = "Apikey " .. options.GANDIV5_API_KEY end
  local res, why = http.fetch("https://api.gandi.net/v5/livedns" .. path, {
    method = method,
    headers = { ["Authorization"] = key, ["Content-Type"] = "application/json" },
    body = body and json.encode(body),
    timeout = options.GANDIV5_HTTP_TIMEOUT,
  })
  if not res then error(method .. " " .. path .. ": " .. why, 0) end
  local text = res:body()
  local answer = text ~= "" and json.decode(text) or nil
  local message = type(answer) == "table" and answer.message or text
  local why = string.format("%s %s: status %d: %s", method, path, res.status, message)
  return res.status, answer, why
end

-- The path of the name's texts and the texts that are there, without quotes.
local function texts_of(options, fqdn)
  for _, zone in ipairs(dns.parents(fqdn)) do
    local status, _, why = ask(options, "GET", "/domains/" .. zone)
    if status == 200 then
      local path = "/domains/" .. zone .. "/records/" .. dns.relative(fqdn, zone) .. "/TXT"
      local found, set, failure = ask(options, "GET", path)
      if found == 404 then return path, {} end
      if found ~= 200 then error(failure, 0) end
      local texts = {}
      for _, text in ipairs(set.rrset_values) do
        table.insert(texts, (string.gsub(text, '^"(.*)"$', "%1")))
      end
      return path, texts
    end
    -- A token may be for some domains only.
    if status ~= 404 and status ~= 403 then error(why, 0) end
  end
  error("no domain of this account holds " .. fqdn, 0)
end

local function put(options, path, texts)
  local status, _, why
  if texts[1] then
    local set = { rrset_ttl = options.GANDIV5_TTL, rrset_values = texts }
    status, _, why = ask(options, "PUT", path, set)
  else
    status, _, why = ask(options, "DELETE", path)
  end
  if status >= 300 then error(why, 0) end
end

return {
  name = "Gandi",

  schema = {
    GANDIV5_PERSONAL_ACCESS_TOKEN = {
      type = "secret", doc = "A personal access token that may manage the domain.",
    },
    GANDIV5_API_KEY = { type = "secret", doc = "A key of the older kind, in the token's place." },
    GANDIV5_TTL = {
      type = "integer", default = 300, min = 300,
      doc = "Seconds that the record may be kept by resolvers.",
    },
    GANDIV5_PROPAGATION_TIMEOUT = {
      type = "duration", default = 1200, doc = "How long the record may take to be seen.",
    },
    GANDIV5_POLLING_INTERVAL = {
      type = "duration", default = 20, doc = "How often to look for it.",
    },
    GANDIV5_HTTP_TIMEOUT = {
      type = "duration", default = 10, doc = "How long a request may take.",
    },
  },

  setup = function(options)
    if not (options.GANDIV5_PERSONAL_ACCESS_TOKEN or options.GANDIV5_API_KEY) then
      error("GANDIV5_PERSONAL_ACCESS_TOKEN is missing", 0)
    end
  end,

  present = function(challenge, ctx)
    local path, texts = texts_of(ctx.options, challenge.fqdn)
    if table.find(texts, challenge.value) then return end
    table.insert(texts, challenge.value)
    put(ctx.options, path, texts)
  end,

  cleanup = function(challenge, ctx)
    local path, texts = texts_of(ctx.options, challenge.fqdn)
    local place = table.find(texts, challenge.value)
    if not place then return end
    table.remove(texts, place)
    put(ctx.options, path, texts)
  end,
}
