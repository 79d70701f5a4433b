-- Keeps answers and gives them again as long as they are fresh (RFC 9111), in memory and over all
-- workers. Requests for the same answer wait for the first of them; stale answers can be given
-- while a new one is fetched, or when none can be had.

-- Statuses whose answers may be kept when the server says for how long.
local keepable = {
  [200] = true, [203] = true, [204] = true, [300] = true, [301] = true, [302] = true,
  [307] = true, [308] = true, [404] = true, [405] = true, [410] = true, [414] = true,
  [451] = true, [501] = true,
}

-- Those for which a lifetime can be assumed when the server names none.
local assumable = {
  [200] = true, [203] = true, [204] = true, [300] = true, [301] = true, [308] = true,
  [404] = true, [405] = true, [410] = true, [414] = true, [501] = true,
}

-- Requests after which what is kept of their URL is no longer true.
local safe = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }

-- Answers that cannot be kept are known as such for so many seconds, so that nobody waits for
-- them.
local PASSED_SECONDS = 30
-- Stale answers with a validator are kept for so many seconds more, to be asked about.
local VALIDATED_SECONDS = 600

-- The headers of an answer that do not become those of the one that is kept (RFC 9111, section
-- 3.2).
local of_message = {
  ["content-length"] = true, ["content-encoding"] = true, ["content-range"] = true,
}

-- The directives of a Cache-Control header.
local function directives(headers)
  local found = {}
  for _, line in ipairs(headers:all("Cache-Control")) do
    for item in line:gmatch("[^,]+") do
      local name, value = item:match('^%s*([%w-]+)%s*=%s*"?([^"%s]*)')
      if not name then name = item:match("^%s*([%w-]+)") end
      if name then found[name:lower()] = value or true end
    end
  end
  return found
end

local function seconds(value)
  return type(value) == "string" and tonumber(value:match("^%d+$")) or nil
end

-- How long an answer is fresh when it is made; nil when nobody says.
local function lifetime(res, told)
  local shared = seconds(told["s-maxage"]) or seconds(told["max-age"])
  if shared then return shared end
  local expires = res.headers["Expires"]
  if not expires then return nil end
  local till, made = time.parse_http(expires), time.parse_http(res.headers["Date"] or "")
  return till and math.max(till - (made or time.now()), 0) or 0
end

-- How old an answer is when it comes.
local function age_of(res)
  local told = seconds(res.headers["Age"]) or 0
  local made = time.parse_http(res.headers["Date"] or "")
  return math.max(told, made and time.now() - made or 0, 0)
end

-- What is noted about an answer; nil when it may not be kept.
local function appraise(res, asked, options)
  local headers = res.headers
  local told = directives(headers)
  if res.error or not keepable[res.status] then return nil end
  if told["no-store"] or told.private or asked.told["no-store"] then return nil end
  if headers["Set-Cookie"] or headers["Content-Range"] then return nil end
  local vary = table.concat(headers:all("Vary"), ",")
  if vary:find("*", 1, true) then return nil end
  if asked.is_authorized
    and not (told.public or told["s-maxage"] or told["must-revalidate"]) then
    return nil
  end
  local life = lifetime(res, told)
  if not life then
    if options.defaultTTL == 0 or not assumable[res.status] then return nil end
    life = options.defaultTTL
  end
  if told["no-cache"] then life = 0 end
  if options.maxTTL > 0 then life = math.min(life, options.maxTTL) end
  local is_strict = told["must-revalidate"] or told["proxy-revalidate"] or told["s-maxage"]
    or told["no-cache"]
  local age = age_of(res)
  local while_asking = seconds(told["stale-while-revalidate"]) or options.staleWhileRevalidate
  local if_error = seconds(told["stale-if-error"]) or options.staleIfError
  if is_strict then while_asking, if_error = 0, 0 end
  local has_validator = headers["ETag"] ~= nil or headers["Last-Modified"] ~= nil
  local rest = math.max(while_asking, if_error, has_validator and VALIDATED_SECONDS or 0)
  local ttl = life - age + rest
  if ttl <= 0 then return nil end
  return {
    stored = time.now(), age = age, life = life, while_asking = while_asking,
    if_error = if_error, ttl = ttl, vary = vary:lower():gsub("%s", ""),
  }
end

local function write(note)
  return string.format("%.3f %.3f %.3f %.3f %.3f", note.stored, note.age, note.life,
    note.while_asking, note.if_error)
end

local function read(text)
  local stored, age, life, while_asking, if_error =
    text:match("^(%S+) (%S+) (%S+) (%S+) (%S+)$")
  return {
    stored = tonumber(stored), age = tonumber(age), life = tonumber(life),
    while_asking = tonumber(while_asking), if_error = tonumber(if_error),
  }
end

-- The key of what a URL has in common, however its answers vary.
local function key_of(req, state)
  local query = req.query
  if query and state.ignored then
    local kept = {}
    for part in query:gmatch("[^&]+") do
      if not state.ignored[part:match("^[^=]*")] then kept[#kept + 1] = part end
    end
    query = #kept > 0 and table.concat(kept, "&") or nil
  end
  local uri = req.raw_path .. (query and "?" .. query or "")
  return req.scheme .. "://" .. req.host:lower() .. uri
end

-- The key of the answer for this request.
local function variant(req, key, vary)
  if vary == "" then return key end
  local parts = { key }
  for name in vary:gmatch("[^,]+") do
    parts[#parts + 1] = name .. ":" .. table.concat(req.headers:all(name), ",")
  end
  return table.concat(parts, "\n")
end

-- What is kept for a request, with its note, which tells its age as well.
local function look_up(req, key, state)
  local vary = state.varies:get(key)
  if not vary then return nil end
  local res, text = state.kept:get(variant(req, key, vary))
  if not res then return nil end
  local note = read(text)
  note.now = math.max(note.age + time.now() - note.stored, 0)
  return res, note
end

local function keep(req, res, key, note, state)
  state.varies:set(key, note.vary, note.ttl)
  return state.kept:put(variant(req, key, note.vary), res, write(note), note.ttl)
end

-- Whether the client has that answer already.
local function is_known(asked, res)
  if res.status ~= 200 then return false end
  if asked.none_match then
    local tag = (res.headers["ETag"] or ""):gsub("^W/", "")
    if asked.none_match:match("^%s*%*%s*$") then return true end
    for other in asked.none_match:gmatch('"[^"]*"') do
      if other == tag then return true end
    end
    return false
  end
  local since = asked.since and time.parse_http(asked.since)
  local changed = time.parse_http(res.headers["Last-Modified"] or "")
  return since ~= nil and changed ~= nil and changed <= since
end

-- Makes an answer the client's.
local function give(res, asked, what, note, options)
  if options.cacheStatus then
    local status = "moongate; " .. what
    if note then status = status .. string.format("; ttl=%d", math.floor(note.life - note.now)) end
    res.headers["Cache-Status"] = status
  end
  if note then res.headers["Age"] = string.format("%d", math.floor(note.now)) end
  if is_known(asked, res) then
    res.status = 304
    res:replace("")
    res.headers["Content-Type"] = nil
  end
  return res
end

-- Takes over what an answer without a body says anew.
local function renew(hit, res)
  local seen = {}
  for name, value in pairs(res.headers) do
    if not of_message[name] then
      if not seen[name] then hit.headers[name] = nil end
      seen[name] = true
      hit.headers:add(name, value)
    end
  end
end

-- Asks the service, with what is kept at hand, and keeps its answer.
local function fetch(req, ctx, key, asked, hit, note)
  local options, state = ctx.options, ctx.state
  req.headers["If-None-Match"] = hit and hit.headers["ETag"]
  req.headers["If-Modified-Since"] = hit and hit.headers["Last-Modified"]
  req:keep()
  local res = ctx.next()
  if hit and res.status == 304 then
    renew(hit, res)
    local fresh = appraise(hit, asked, options)
    if fresh then
      keep(req, hit, key, fresh, state)
      fresh.now = fresh.age
    end
    return hit, "hit; detail=revalidated", fresh
  end
  if hit and (res.error or res.status >= 500) and note.now < note.life + note.if_error then
    return hit, "hit; detail=stale-if-error", note
  end
  local fresh = req.method == "GET" and appraise(res, asked, options)
  local max = options.maxBodySize
  if fresh and res:buffer({ limit = max, memory = max })
    and keep(req, res, key, fresh, state) then
    return res, "fwd=" .. (hit and "stale" or "miss") .. "; stored"
  end
  if req.method == "GET" then state.passed:set(key, true, PASSED_SECONDS) end
  return res, "fwd=" .. (hit and "stale" or "miss")
end

-- Fetches a new answer in the place of a stale one, once, while clients get the stale one.
local function renew_later(ctx, key, asked)
  local state = ctx.state
  if not state.renewing:add(key, true, "30s") then return end
  local begun = ctx.later(function(req, own)
    local hit, note = look_up(req, key, state)
    fetch(req, own, key, asked, hit, note)
    state.renewing:del(key)
  end)
  if not begun then state.renewing:del(key) end
end

-- Whether what is kept may be given to this client as it is.
local function is_fresh(note, told)
  if told["no-cache"] or note.now >= note.life then return false end
  local max, rest = seconds(told["max-age"]), seconds(told["min-fresh"])
  return not (max and note.now > max) and not (rest and note.life - note.now < rest)
end

-- Waits for another request that fetches the same; what it has brought, or a turn of its own.
local function take_turn(req, ctx, key, asked)
  local state, options = ctx.state, ctx.options
  if options.collapseTimeout == 0 or state.passed:get(key) then return nil end
  local turn, has_waited = state.turns:enter(key, options.collapseTimeout)
  if not (turn and has_waited) then return turn end
  local hit, note = look_up(req, key, state)
  if (hit and is_fresh(note, asked.told)) or state.passed:get(key) then
    turn:leave()
    return nil, hit, note
  end
  return turn
end

local function forget(key, state)
  state.varies:del(key)
  state.passed:del(key)
end

local function purge(req, key, ctx)
  local state = ctx.state
  if not state.purgers:contains(req.remote_ip) then return respond(403) end
  local was_there = state.varies:get(key) ~= nil
  forget(key, state)
  return respond(was_there and 200 or 404)
end

return {
  schema = {
    doc = "Keeps answers and gives them again as long as they are fresh (RFC 9111).",
    standalone = true,
    maxSize = { type = "size", default = "64MiB", min = "64KiB", doc = "Memory for all answers." },
    maxBodySize = {
      type = "size", default = "1MiB", min = 0,
      doc = "Longer answers are not kept; a sixteenth of maxSize is the most.",
    },
    defaultTTL = {
      type = "duration", default = "0s",
      doc = "How long answers are fresh that do not say so; such are not kept unless it is set.",
    },
    maxTTL = {
      type = "duration", default = "0s", doc = "The longest that any is fresh; 0 is no limit.",
    },
    staleWhileRevalidate = {
      type = "duration", default = "0s",
      doc = "How long a stale answer is given while a new one is fetched, unless it says so.",
    },
    staleIfError = {
      type = "duration", default = "0s",
      doc = "How long a stale answer is given when the service fails, unless it says so.",
    },
    collapseTimeout = {
      type = "duration", default = "5s",
      doc = "How long requests wait for another one that fetches the same; 0 for not at all.",
    },
    ignoredQuery = {
      type = "list", of = "string", default = {},
      doc = "Parameters of the query that make no other answer, such as utm_source.",
    },
    ignoreRequestCacheControl = {
      type = "boolean", default = false,
      doc = "Whether clients cannot ask for a new answer with Cache-Control.",
    },
    cacheStatus = {
      type = "boolean", default = true, doc = "Whether answers get Cache-Status (RFC 9211).",
    },
    purgeSourceRange = {
      type = "list", of = "cidr", default = {},
      doc = "Addresses and networks that may remove what is kept of a URL, with the method PURGE.",
    },
  },

  setup = function(options)
    local ignored
    for _, name in ipairs(options.ignoredQuery) do
      ignored = ignored or {}
      ignored[name] = true
    end
    local purgers = options.purgeSourceRange
    return {
      kept = responses.open("kept", { max = options.maxSize }),
      varies = store.open("varies", { max = math.max(65536, options.maxSize / 16) }),
      passed = store.open("passed", { max = "256KiB" }),
      renewing = store.open("renewing", { max = "256KiB" }),
      turns = limit.turns(), ignored = ignored,
      purgers = #purgers > 0 and ip.set(purgers) or nil,
    }
  end,

  request = function(req, ctx)
    local options, state, method = ctx.options, ctx.state, req.method
    if method == "PURGE" and state.purgers then return purge(req, key_of(req, state), ctx) end
    if not safe[method] then
      local key = key_of(req, state)
      local res = ctx.next()
      if res.status < 400 then forget(key, state) end
      return res
    end
    local headers = req.headers
    if (method ~= "GET" and method ~= "HEAD") or headers["Range"] or headers["Upgrade"] then
      return
    end
    local told = directives(headers)
    if told["no-store"] and not options.ignoreRequestCacheControl then return end
    if headers["Pragma"] == "no-cache" and next(told) == nil then told = { ["no-cache"] = true } end
    if options.ignoreRequestCacheControl then told = {} end
    local asked = {
      told = told, is_authorized = headers["Authorization"] ~= nil,
      none_match = headers["If-None-Match"], since = headers["If-Modified-Since"],
    }
    local key = key_of(req, state)
    local hit, note = look_up(req, key, state)
    if hit and is_fresh(note, told) then return give(hit, asked, "hit", note, options) end
    local is_willing = not (told["no-cache"] or told["max-age"] or told["min-fresh"])
    if hit and is_willing and note.now < note.life + note.while_asking then
      renew_later(ctx, key, asked)
      return give(hit, asked, "hit; detail=stale-while-revalidate", note, options)
    end
    if told["only-if-cached"] then return respond(504) end
    local turn, found, about = take_turn(req, ctx, key, asked)
    if found then return give(found, asked, "hit; detail=collapsed", about, options) end
    local res, what, fresh = fetch(req, ctx, key, asked, hit, note)
    if turn then turn:leave() end
    return give(res, asked, what, fresh, options)
  end,
}
