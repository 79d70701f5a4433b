-- Replaces text in answers as they stream, compressed ones too.
local known = { gzip = true, br = true, zstd = true }

local function media_type(text)
  return ((text or ""):match("^[^;]*"):lower():gsub("%s", ""))
end

-- Whether a media type is one of a list, in which text/* stands for all that begin like that.
local function is_listed(kind, types)
  for _, other in ipairs(types) do
    local start = other:match("^(.*/)%*$")
    if other == kind or (start and kind:sub(1, #start) == start) then return true end
  end
  return false
end

return {
  schema = {
    doc = "Replaces text in answers as they stream, compressed ones too.",
    standalone = false,
    rewrites = {
      type = "list", non_empty = true, required = true,
      of = {
        type = "object",
        fields = {
          regex = { type = "regex", required = true, non_empty = true, doc = "What is replaced." },
          replacement = {
            type = "string", default = "",
            doc = "What stands in its place; $1 or ${name} stand for groups, $$ for a dollar sign.",
          },
        },
      },
      doc = "What is replaced, one after the other.",
    },
    contentTypes = {
      type = "list", of = "string",
      default = {
        "text/*", "application/json", "application/javascript", "application/xml",
        "application/xhtml+xml",
      },
      doc = "The media types of answers in which it is replaced.",
    },
    statuses = {
      type = "list", of = "string", default = {},
      doc = "The statuses of those answers, such as 200 or 400-499; any if empty.",
    },
    maxMatchBytes = {
      type = "size", default = "1KiB", min = 1, max = "64KiB",
      doc = "Longer matches may be missed; so much of an answer is held back as it streams.",
    },
    lastModified = {
      type = "boolean", default = false,
      doc = "Whether Last-Modified of rewritten answers stays.",
    },
  },

  setup = function(options)
    local rules, types, statuses = {}, {}, {}
    for _, rewrite in ipairs(options.rewrites) do
      rules[#rules + 1] = {
        expression = re.compile(rewrite.regex), template = rewrite.replacement,
      }
    end
    for _, kind in ipairs(options.contentTypes) do types[#types + 1] = media_type(kind) end
    for _, text in ipairs(options.statuses) do
      local first, last = text:match("^(%d+)%-(%d+)$")
      if not first then first, last = text:match("^(%d+)$"), text:match("^(%d+)$") end
      if not first then error("statuses: " .. text .. " is neither a status nor a range", 0) end
      statuses[#statuses + 1] = { tonumber(first), tonumber(last) }
    end
    return { rules = rules, types = types, statuses = statuses }
  end,

  request = function(req)
    -- A part of an answer is not what it was any more, and unknown codings cannot be read.
    req.headers["Range"] = nil
    req.headers["If-Range"] = nil
    local accepted = {}
    for _, line in ipairs(req.headers:all("Accept-Encoding")) do
      for item in line:gmatch("[^,]+") do
        local name = item:match("^%s*([%w-]+)")
        if name and known[name:lower()] then
          accepted[#accepted + 1] = item:match("^%s*(.-)%s*$")
        end
      end
    end
    req.headers["Accept-Encoding"] = #accepted > 0 and table.concat(accepted, ", ") or nil
  end,

  response = function(res, ctx)
    local options, state = ctx.options, ctx.state
    local headers, status = res.headers, res.status
    if status == 101 or status == 204 or status == 206 or status == 304 or res.length == 0 then
      return
    end
    if not is_listed(media_type(headers["Content-Type"]), state.types) then return end
    local fits = #state.statuses == 0
    for _, range in ipairs(state.statuses) do
      fits = fits or (status >= range[1] and status <= range[2])
    end
    if not fits then return end
    local coding = headers["Content-Encoding"]
    if coding and not res:decode() then
      log.debug("an answer is coded in a way that cannot be rewritten", { coding = coding })
      return
    end
    res:substitute(state.rules, { match_bytes = options.maxMatchBytes })
    if coding then res:encode(coding:lower():match("^x%-(gzip)$") or coding:lower()) end
    -- They speak of the bytes that were there before.
    for _, name in ipairs({ "Content-MD5", "Digest", "Content-Digest", "Repr-Digest" }) do
      headers[name] = nil
    end
    headers["Accept-Ranges"] = nil
    local tag = headers["ETag"]
    if tag and tag:sub(1, 2) ~= "W/" then headers["ETag"] = "W/" .. tag end
    if not options.lastModified then headers["Last-Modified"] = nil end
  end,
}
