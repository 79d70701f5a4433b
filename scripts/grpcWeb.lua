-- Lets browsers call gRPC services: translates gRPC-Web, binary or text, and answers preflights.
local PREFIX = "application/grpc-web"

-- Browsers ask again for what they may send after so many seconds.
local PREFLIGHT_SECONDS = "600"

-- Whether a content type is gRPC-Web's; with it whether it is text, and what follows the name,
-- such as +proto.
local function parse_type(text)
  text = text:lower()
  if text:sub(1, #PREFIX) ~= PREFIX then return false end
  local rest = text:sub(#PREFIX + 1)
  if rest:sub(1, 5) == "-text" then return true, true, rest:sub(6) end
  if rest == "" or rest:find("^[+;]") then return true, false, rest end
  return false
end

-- Decodes base64 that comes in pieces, each of which may have its own padding.
local function decoder()
  local left = ""
  return function(chunk)
    if not chunk then
      if left ~= "" then error("the request ends within a group of base64") end
      return nil
    end
    local text = left .. chunk:gsub("%s", "")
    local whole = #text - #text % 4
    left = text:sub(whole + 1)
    local parts = {}
    for part in text:sub(1, whole):gmatch("[^=]+=*") do
      local bytes = base64.decode(part)
      if not bytes then error("the request is no base64") end
      parts[#parts + 1] = bytes
    end
    return table.concat(parts)
  end
end

-- The trailers as a last message, which browsers can read.
local function frame(trailers)
  local lines = {}
  for name, value in pairs(trailers) do lines[#lines + 1] = name .. ": " .. value .. "\r\n" end
  table.sort(lines)
  local text = table.concat(lines)
  local length = #text
  local bytes = {}
  for i = 4, 1, -1 do
    bytes[i] = string.char(length % 256)
    length = math.floor(length / 256)
  end
  return "\128" .. table.concat(bytes) .. text
end

local function encoder(is_text)
  return function(chunk, _, trailers)
    if not chunk then
      if not trailers then return nil end
      local last = frame(trailers)
      return is_text and base64.encode(last) or last, {}
    end
    return is_text and base64.encode(chunk) or nil
  end
end

-- Whether a browser's page may call, and what it may read.
local function allow(headers, origin)
  headers["Access-Control-Allow-Origin"] = origin
  headers["Access-Control-Allow-Credentials"] = "true"
  headers:add("Vary", "Origin")
end

local function expose(headers)
  local names, seen = { "grpc-status", "grpc-message" }, {}
  for name in pairs(headers) do
    if not seen[name] and not name:find("^access%-control%-") then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  headers["Access-Control-Expose-Headers"] = table.concat(names, ", ")
end

local function preflight(req, origin, allowed)
  local res = respond(200)
  local headers = res.headers
  headers:add("Vary", "Origin")
  headers:add("Vary", "Access-Control-Request-Method")
  headers:add("Vary", "Access-Control-Request-Headers")
  if not allowed or req.headers["Access-Control-Request-Method"] ~= "POST" then return res end
  headers["Access-Control-Allow-Origin"] = origin
  headers["Access-Control-Allow-Credentials"] = "true"
  headers["Access-Control-Allow-Methods"] = "POST"
  headers["Access-Control-Allow-Headers"] = req.headers["Access-Control-Request-Headers"]
  headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
  return res
end

return {
  schema = {
    doc = "Lets browsers call gRPC services: translates gRPC-Web, binary or text, and "
      .. "answers preflights.",
    standalone = true,
    allowOrigins = {
      type = "list", of = "string", default = {},
      doc = "Origins whose pages may call; * stands for all.",
    },
  },

  setup = function(options)
    local origins = {}
    for _, origin in ipairs(options.allowOrigins) do origins[origin] = true end
    return origins
  end,

  request = function(req, ctx)
    local headers, origins = req.headers, ctx.state
    local origin = headers["Origin"]
    local allowed = origin and (origins["*"] or origins[origin]) or false
    if req.method == "OPTIONS" then
      local asked = (headers["Access-Control-Request-Headers"] or ""):lower()
      if origin and asked:find("x-grpc-web", 1, true) then
        return preflight(req, origin, allowed)
      end
      return
    end
    local is_web, is_text, rest = parse_type(headers["Content-Type"] or "")
    if not is_web or req.method ~= "POST" then return end
    headers["Content-Type"] = "application/grpc" .. rest
    headers["Te"] = "trailers"
    headers["X-Grpc-Web"] = nil
    if is_text then req:filter(decoder()) end

    local res = ctx.next()
    local kind = res.headers["Content-Type"] or ""
    if kind:lower():find("^application/grpc") then
      local own = kind:sub(#"application/grpc" + 1)
      res.headers["Content-Type"] = PREFIX .. (is_text and "-text" or "") .. own
      res.headers["Trailer"] = nil
      res:filter(encoder(is_text))
    end
    if allowed then
      allow(res.headers, origin)
      expose(res.headers)
    end
    return res
  end,
}
