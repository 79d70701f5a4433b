-- Sends copies of requests to a shadow as well, and counts where its answers differ. Clients get
-- the answers of the service; the shadow's are compared and dropped. To try a script that way, the
-- shadow is a service whose server is an entrypoint of Moongate at which a router has the script.

local function summary(res, options)
  local told = { status = res.status, failure = res.error, headers = {} }
  for _, name in ipairs(options.headers) do
    told.headers[name] = table.concat(res.headers:all(name), ", ")
  end
  -- Of an answer whose length is not known before its end nobody would wait for the end.
  if options.body and res.length and res.length <= options.maxBodySize then
    told.body = crypto.sha256(res:body({ limit = options.maxBodySize }))
    told.length = res.length
  end
  return told
end

-- What differs, by name.
local function differences(mine, shadow, options)
  local found = {}
  if mine.status ~= shadow.status then found[#found + 1] = "status" end
  for _, name in ipairs(options.headers) do
    if mine.headers[name] ~= shadow.headers[name] then found[#found + 1] = "header " .. name end
  end
  if mine.body and shadow.body and mine.body ~= shadow.body then found[#found + 1] = "body" end
  return found
end

-- Compares two answers once both are there.
local function compare(pair, options, state)
  local mine, shadow = pair.mine, pair.shadow
  if not (mine and shadow) then return end
  local counts = state.counts
  counts:incr("requests")
  if shadow.failure and not mine.failure then counts:incr("failed") end
  local found = differences(mine, shadow, options)
  if #found == 0 then
    counts:incr("same")
    return
  end
  counts:incr("different")
  for _, what in ipairs(found) do counts:incr("different " .. what) end
  if options.log then
    log.warn("the shadow differs", {
      request = pair.request, what = table.concat(found, ", "), status = mine.status,
      shadow_status = shadow.status, length = mine.length, shadow_length = shadow.length,
    })
  end
end

local function counted(options, state)
  local told = {}
  local names = { "requests", "same", "different", "failed", "skipped", "different status",
    "different body" }
  for _, name in ipairs(options.headers) do names[#names + 1] = "different header " .. name end
  for _, name in ipairs(names) do told[name] = state.counts:get(name) or 0 end
  return respond(200, json.encode(told), { ["Content-Type"] = "application/json" })
end

return {
  schema = {
    doc = "Sends copies of requests to a shadow as well, and counts where its answers differ.",
    standalone = false,
    service = {
      type = "service", required = true,
      doc = "The shadow: a service. To shadow a script, one whose server is an entrypoint of "
        .. "Moongate at which a router has that script.",
    },
    percent = {
      type = "number", default = 100, min = 0, max = 100,
      doc = "How many of the requests are copied.",
    },
    methods = {
      type = "list", of = "string", default = { "GET", "HEAD" },
      doc = "The methods of requests that are copied; others would be done twice.",
    },
    headers = {
      type = "list", of = "string", default = { "Content-Type" },
      doc = "Headers of the answers that are compared, beside the status.",
    },
    body = {
      type = "boolean", default = true,
      doc = "Whether bodies whose lengths are told are compared.",
    },
    maxBodySize = {
      type = "size", default = "1MiB", min = 0,
      doc = "Requests with longer bodies are not copied, and longer answers not compared.",
    },
    shadowHeader = {
      type = "string", default = "X-Moongate-Shadow",
      doc = "A header that tells the shadow that it is one; empty for none.",
    },
    log = { type = "boolean", default = true, doc = "Whether differences are written to the log." },
    countsPath = {
      type = "string", default = "", pattern = "^(/.*)?$",
      doc = "A path that answers with the counts as JSON; none unless it is set.",
    },
  },

  setup = function(options)
    local methods = {}
    for _, method in ipairs(options.methods) do methods[method:upper()] = true end
    return { counts = store.open("counts", { max = "64KiB" }), methods = methods }
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    if options.countsPath ~= "" and req.path == options.countsPath then
      return counted(options, state)
    end
    if not state.methods[req.method] then return end
    if options.percent < 100 and math.random() * 100 >= options.percent then return end
    local max = options.maxBodySize
    if not req:buffer({ limit = max, memory = max }) then
      state.counts:incr("skipped")
      return
    end
    req:keep()
    local pair = { request = req.method .. " " .. req.uri }
    local begun = ctx.later(function(copy, own)
      if options.shadowHeader ~= "" then copy.headers[options.shadowHeader] = "true" end
      local res = own.service(options.service)
      if not res then
        log.error("there is no such service", { service = options.service })
        return
      end
      pair.shadow = summary(res, options)
      compare(pair, options, state)
    end)
    local res = ctx.next()
    if not begun then
      state.counts:incr("skipped")
      return res
    end
    pair.mine = summary(res, options)
    compare(pair, options, state)
    return res
  end,
}
