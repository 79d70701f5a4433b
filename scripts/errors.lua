-- Answers chosen statuses with a page of another service.
local function ranges(texts)
  local all = {}
  for _, text in ipairs(texts) do
    for part in text:gsub("%s", ""):gmatch("[^,]+") do
      local first, last = part:match("^(%d+)%-(%d+)$")
      if not first then first, last = part:match("^(%d+)$"), part:match("^(%d+)$") end
      if not first then error(part .. " is neither a status nor a range", 0) end
      all[#all + 1] = { tonumber(first), tonumber(last) }
    end
  end
  return all
end

local function holds(all, status)
  for _, range in ipairs(all) do
    if status >= range[1] and status <= range[2] then return true end
  end
  return false
end

-- Headers that speak of a body, which the request for a page does not have.
local of_body = { "Content-Length", "Content-Encoding", "Transfer-Encoding", "Trailer", "Expect" }

-- Removes headers that the request for a page must not have.
local function strip(headers, kept)
  for _, name in ipairs(of_body) do headers[name] = nil end
  if not kept then return end
  local others = {}
  for name in pairs(headers) do
    if name ~= "host" and not kept[name] then others[#others + 1] = name end
  end
  for _, name in ipairs(others) do headers[name] = nil end
end

return {
  schema = {
    doc = "Answers chosen statuses with a page of another service.",
    standalone = false,
    status = {
      type = "list", of = "string", default = {},
      doc = "Statuses and ranges of them that get a page: 404, 500-599, or several with commas.",
    },
    service = { type = "service", required = true, doc = "The service that has the pages." },
    query = {
      type = "string", default = "",
      doc = "Path and query of the page. {status} stands for the status, {originalStatus} for the "
        .. "one before statusRewrites, {url} for the escaped URL of the request.",
    },
    statusRewrites = {
      type = "map", of = "integer", default = {},
      doc = "New statuses by status or range.",
    },
    errorRequestHeaders = {
      type = "list", of = "string",
      doc = "The headers of the request that the page's service gets; all unless it is set.",
    },
  },

  setup = function(options)
    local rewrites = {}
    for texts, status in pairs(options.statusRewrites) do
      rewrites[#rewrites + 1] = { ranges({ texts }), status }
    end
    local kept
    if options.errorRequestHeaders then
      kept = {}
      for _, name in ipairs(options.errorRequestHeaders) do kept[name:lower()] = true end
    end
    return { status = ranges(options.status), rewrites = rewrites, kept = kept }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    req:keep()
    local res = ctx.next()
    local original = res.status
    if not holds(state.status, original) then return res end
    local status = original
    for _, rewrite in ipairs(state.rewrites) do
      if holds(rewrite[1], original) then
        status = rewrite[2]
        break
      end
    end
    local values = {
      ["{status}"] = tostring(status),
      ["{originalStatus}"] = tostring(original),
      ["{url}"] = url.encode(req.scheme .. "://" .. req.host .. req.uri),
    }
    local page = options.query:gsub("{%a+}", values)
    local path, query = page:match("^([^?]*)%??(.*)$")
    if path:sub(1, 1) ~= "/" then path = "/" .. path end
    req:replace("")
    req.method = "GET"
    req.raw_path = path
    req.query = query ~= "" and query or nil
    strip(req.headers, state.kept)
    local answer = ctx.service(options.service)
    if not answer then return respond(500, "Internal Server Error") end
    answer.status = status
    return answer
  end,
}
