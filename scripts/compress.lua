-- Compresses answers with what the client accepts: gzip, Brotli or Zstandard.
local known = { gzip = true, br = true, zstd = true }

-- What clients send in Accept-Encoding is nearly always one of a few texts.
local CHOICES_MAX = 256

-- Parses a list such as "gzip;q=0.5, br" into weights by name; -1 stands for a weight that was
-- not written.
local function weights(text)
  local found, weighted = {}, false
  for item in text:gsub("%s", ""):gmatch("[^,]+") do
    local name, weight = item:match("^([^;]+);q=([%d.]+)$")
    if name then
      weighted = true
    else
      name, weight = item:match("^([^;]+)"), 1
    end
    if name then found[name:lower()] = tonumber(weight) or 0 end
  end
  return found, weighted
end

-- The coding for an Accept-Encoding; "any" when only * fits, which names no coding that the client
-- surely knows.
local function choose(text, encodings)
  local found, weighted = weights(text)
  local best, most
  for _, name in ipairs(encodings) do
    local weight = found[name] or 0
    if weight > 0 and (not best or (weighted and weight > most)) then best, most = name, weight end
  end
  if best and weighted and found.identity and found.identity > most then return "none" end
  if best then return best end
  if (found["*"] or 0) > 0 then return "any" end
  return "none"
end

-- A media type without parameters, in lower case.
local function media_type(text)
  return ((text or ""):match("^[^;]*"):lower():gsub("%s", ""))
end

local function set_of(types)
  local set = {}
  for _, text in ipairs(types) do set[media_type(text)] = true end
  return set
end

-- Whether the answer is one whose body may be compressed.
local function is_fit(res, state)
  local status, headers = res.status, res.headers
  if status == 204 or status == 206 or status == 304 or status < 200 then return false end
  if headers["Content-Encoding"] or headers["Content-Range"] then return false end
  if res.length == 0 then return false end
  local kind = media_type(headers["Content-Type"])
  if kind:sub(1, 16) == "application/grpc" or state.excluded[kind] then return false end
  return not state.included or state.included[kind] == true
end

-- Whether the answer has enough bytes. Of a stream the first ones are waited for, but not of one
-- that sends events as they happen.
local function is_large(res, min)
  if res.length then return res.length >= min end
  if media_type(res.headers["Content-Type"]) == "text/event-stream" then return true end
  local start, all = res:peek(math.max(min, 1))
  return not all or #start >= min
end

return {
  schema = {
    doc = "Compresses answers with what the client accepts: gzip, Brotli or Zstandard.",
    standalone = true,
    excludedContentTypes = {
      type = "list", of = "string", default = {},
      doc = "Media types that are not compressed, of requests or of answers; "
        .. "application/grpc never is.",
    },
    includedContentTypes = {
      type = "list", of = "string", default = {},
      doc = "The only media types that are compressed; not together with excludedContentTypes.",
    },
    minResponseBodyBytes = {
      type = "integer", default = 1024, min = 0,
      doc = "Smaller answers are left as they are.",
    },
    encodings = {
      type = "list", of = "string", default = { "gzip", "br", "zstd" },
      doc = "The codings that are used, the preferred one first.",
    },
    defaultEncoding = {
      type = "string", default = "",
      doc = "The coding for clients that send no Accept-Encoding; none unless it is set.",
    },
  },

  setup = function(options)
    local excluded, included = options.excludedContentTypes, options.includedContentTypes
    if #excluded > 0 and #included > 0 then
      error("excludedContentTypes and includedContentTypes cannot be used together", 0)
    end
    if #options.encodings == 0 then error("encodings: at least one is needed", 0) end
    for _, name in ipairs(options.encodings) do
      if not known[name] then error("encodings: unknown coding " .. name, 0) end
    end
    local default = options.defaultEncoding
    if default ~= "" and not known[default] then
      error("defaultEncoding: unknown coding " .. default, 0)
    end
    return {
      excluded = set_of(excluded),
      included = #included > 0 and set_of(included) or nil,
      choices = {},
      count = 0,
    }
  end,

  request = function(req, ctx)
    if req.method == "HEAD" then return end
    local options, state = ctx.options, ctx.state
    local accepted = req.headers["Accept-Encoding"]
    local choice
    if accepted then
      choice = state.choices[accepted]
      if not choice then
        choice = choose(accepted, options.encodings)
        if state.count >= CHOICES_MAX then state.choices, state.count = {}, 0 end
        state.choices[accepted], state.count = choice, state.count + 1
      end
    else
      choice = options.defaultEncoding ~= "" and options.defaultEncoding or "none"
    end
    if choice == "none" then return end
    local kind = media_type(req.headers["Content-Type"])
    if kind:sub(1, 16) == "application/grpc" or state.excluded[kind] then return end

    local res = ctx.next()
    if res.status == 101 then return res end
    res.headers:add("Vary", "Accept-Encoding")
    if choice == "any" or not is_fit(res, state) then return res end
    if not is_large(res, options.minResponseBodyBytes) then return res end
    res:encode(choice)
    local headers = res.headers
    headers["Accept-Ranges"] = nil
    local tag = headers["ETag"]
    if tag and tag:sub(1, 2) ~= "W/" then headers["ETag"] = "W/" .. tag end
    return res
  end,
}
