-- What a test file is written with: describe, it, expect, and scripts to send requests through.
-- `host` is Moongate's side of it; what this returns is the test file's side.
local host = ...

local tests, benches = {}, {}
local path, before, after = {}, {}, {}

local function sized(list, size)
  for i = #list, size + 1, -1 do list[i] = nil end
end

local function describe(name, body)
  local befores, afters = #before, #after
  table.insert(path, name)
  body()
  table.remove(path)
  sized(before, befores)
  sized(after, afters)
end

local function it(name, body)
  table.insert(tests, {
    group = table.concat(path, " "),
    name = name,
    body = body,
    before = table.clone(before),
    after = table.clone(after),
  })
end

-- Runs a test; what it raises is its failure.
local function perform(test)
  for _, each in ipairs(test.before) do each() end
  local ok, failure = pcall(test.body)
  for i = #test.after, 1, -1 do test.after[i]() end
  if not ok then error(failure, 0) end
end

-- ------------------------------------------------------------------------------- expectations

local function show(value)
  if type(value) == "string" then return string.format("%q", value) end
  if type(value) ~= "table" then return tostring(value) end
  local ok, text = pcall(json.encode, value)
  return ok and text or tostring(value)
end

local function equal(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function holds(whole, part)
  if type(whole) == "string" then return string.find(whole, tostring(part), 1, true) ~= nil end
  if type(whole) ~= "table" then return false end
  for _, value in pairs(whole) do
    if equal(value, part) then return true end
  end
  return false
end

-- Each says whether the expectation holds, and in which words it is told.
local matchers = {
  to_be = function(got, wanted) return got == wanted, "to be " .. show(wanted) end,
  to_equal = function(got, wanted) return equal(got, wanted), "to equal " .. show(wanted) end,
  to_be_nil = function(got) return got == nil, "to be nil" end,
  to_exist = function(got) return got ~= nil, "to exist" end,
  to_be_true = function(got) return got == true, "to be true" end,
  to_be_false = function(got) return got == false, "to be false" end,
  to_match = function(got, pattern)
    return type(got) == "string" and string.match(got, pattern) ~= nil, "to match " .. show(pattern)
  end,
  to_contain = function(got, part) return holds(got, part), "to contain " .. show(part) end,
  to_be_above = function(got, least) return got > least, "to be above " .. show(least) end,
  to_be_below = function(got, most) return got < most, "to be below " .. show(most) end,
  to_be_near = function(got, wanted, by)
    return math.abs(got - wanted) <= (by or 0.001), "to be near " .. show(wanted)
  end,
  to_fail = function(got, part)
    local ok, failure = pcall(got)
    local told = not ok and (part == nil or string.find(tostring(failure), part, 1, true) ~= nil)
    return told, part and "to fail with " .. show(part) or "to fail"
  end,
}

local function expect(got)
  local function side(wanted_outcome)
    local self = {}
    for name, match in pairs(matchers) do
      -- Both `expect(x).to_be(1)` and `expect(x):to_be(1)` are read.
      self[name] = function(first, second, ...)
        local holds_now, words
        if first == self then
          holds_now, words = match(got, second, ...)
        else
          holds_now, words = match(got, first, second, ...)
        end
        if holds_now ~= wanted_outcome then
          local never = wanted_outcome and "" or "never "
          error(string.format("expected %s %s%s", show(got), never, words), 2)
        end
      end
    end
    return self
  end
  local expectation = side(true)
  expectation.never = side(false)
  return expectation
end

-- ------------------------------------------------------------------------------------ messages

-- Headers as pairs, from a table of one value or a list of values per name.
local function pairs_of(headers)
  local list = {}
  for name, value in pairs(headers or {}) do
    if type(value) == "table" then
      for _, each in ipairs(value) do table.insert(list, { name, tostring(each) }) end
    else
      table.insert(list, { name, tostring(value) })
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

-- Headers to look at: `headers["name"]` is the first value, `headers:all("name")` are all.
local function headers_of(list)
  local by_name = {}
  for _, pair in ipairs(list) do
    local name = string.lower(pair[1])
    by_name[name] = by_name[name] or {}
    table.insert(by_name[name], pair[2])
  end
  local view = {
    all = function(_, name) return by_name[string.lower(name)] or {} end,
  }
  return setmetatable({}, {
    __index = function(_, name)
      if view[name] then return view[name] end
      local values = by_name[string.lower(name)]
      return values and values[1]
    end,
  })
end

local function message_of(raw)
  raw.headers = headers_of(raw.headers)
  return raw
end

-- The request of a test: a table, or text such as "GET https://a.example/x".
local function raw_request(request)
  if type(request) == "string" then
    local method, target = string.match(request, "^(%u+) (.+)$")
    request = { method = method or "GET", url = target or request }
  end
  request = request or {}
  local url = request.url or request.path or "/"
  local scheme, host, target = string.match(url, "^(%a+)://([^/?]*)(.*)$")
  if not scheme then target = url end
  if string.sub(target, 1, 1) ~= "/" then target = "/" .. target end
  local tls = request.tls
  if tls == nil and (scheme == "https" or scheme == "wss") then tls = {} end
  return {
    method = request.method or "GET",
    target = target,
    host = request.host or host or "test.example",
    headers = pairs_of(request.headers),
    body = request.body or "",
    peer = request.peer or "192.0.2.1:1000",
    entrypoint = request.entrypoint or "web",
    tls = tls == true and {} or tls or nil,
  }
end

-- The answer of a test's server: a table, a status, a body, or nothing for an empty 200.
local function raw_answer(answer)
  if type(answer) == "number" then answer = { status = answer } end
  if type(answer) == "string" then answer = { body = answer } end
  answer = answer or {}
  return {
    status = answer.status or 200,
    headers = pairs_of(answer.headers),
    body = answer.body or "",
    failure = answer.failure,
    delay = answer.delay,
  }
end

-- Something that answers: a function of the request, or always the same.
local function answering(handler)
  return function(raw)
    if type(handler) == "function" then return raw_answer(handler(message_of(raw))) end
    return raw_answer(handler)
  end
end

-- What a table of answers says to a URL: the whole, without its query, or its beginning if the
-- key ends in "*".
local function answer_to(answers, url)
  local bare = string.match(url, "^[^?]*")
  if answers[url] ~= nil then return answers[url] end
  if answers[bare] ~= nil then return answers[bare] end
  for key, answer in pairs(answers) do
    local stem = string.match(key, "^(.*)%*$")
    if stem and string.sub(url, 1, #stem) == stem then return answer end
  end
  return nil
end

-- ------------------------------------------------------------------------------------- scripts

local Script = {}
Script.__index = Script

function Script:send(request)
  local raw = self.handle:send(raw_request(request))
  local result = message_of(raw)
  for _, seen in ipairs(result.upstream) do
    if type(seen.headers) == "table" and getmetatable(seen.headers) == nil then message_of(seen) end
  end
  result.request = result.upstream[#result.upstream]
  return result
end

function Script:connect(connection)
  return self.handle:connect(raw_request(connection))
end

function Script:handshake(hello)
  local raw = raw_request(hello)
  raw.tls = { sni = hello.sni }
  raw.ja4, raw.alpn, raw.certificates = hello.ja4, hello.alpn or {}, hello.certificates or {}
  return self.handle:handshake(raw)
end

-- Runs a hook that works for no request, such as `present`.
function Script:perform(hook, argument)
  local result = self.handle:perform(hook, argument)
  for _, seen in ipairs(result.fetched) do
    if getmetatable(seen.headers) == nil then message_of(seen) end
  end
  return result
end

function Script:logs() return self.handle:logs() end

function Script:metrics() return self.handle:metrics() end

local function script(name, spec)
  spec = spec or {}
  for key in pairs(spec) do
    local known = {
      "options", "upstream", "services", "fetch", "limits", "onError", "now", "name", "request",
      "programs", "files",
    }
    if not table.find(known, key) then
      local names = table.concat(known, ", ")
      error(string.format("%q is no part of a script's test; known are %s", key, names), 2)
    end
  end
  local services, fetch = spec.services or {}, spec.fetch or {}
  local answers = {}
  local calls = {
    upstream = answering(spec.upstream),
    service = function(service, raw)
      answers[service] = answers[service] or answering(services[service])
      return answers[service](raw)
    end,
    fetch = function(url, raw)
      local answer = fetch
      if type(fetch) == "table" then answer = answer_to(fetch, url) end
      if answer == nil then return nil end
      return answering(answer)(raw)
    end,
    program = function(path, arguments)
      local ran = spec.programs and spec.programs(path, arguments)
      if type(ran) == "number" then ran = { status = ran } end
      return ran and { status = ran.status or 0, output = ran.output or "" }
    end,
    files = spec.files,
    services = services,
    options = spec.options or {},
    limits = spec.limits,
    on_error = spec.onError,
    now = spec.now,
    name = spec.name or "middleware",
  }
  return setmetatable({ handle = host.open(name, calls) }, Script)
end

local function run(name, spec)
  return script(name, spec):send(spec and spec.request)
end

-- What a script of the provider `script` returns, with these environment variables.
local function configuration(name, spec)
  return host.settings(name, spec and spec.env or {})
end

local function bench(name, script_name, spec)
  spec = spec or {}
  local function measure()
    local handle = script(script_name, spec).handle
    local answer = spec.upstream
    if type(answer) == "function" then answer = nil end
    return handle:bench(raw_request(spec.request), raw_answer(answer))
  end
  table.insert(benches, { name = name, measure = measure })
end

return {
  tests = tests,
  benches = benches,
  perform = perform,
  globals = {
    describe = describe,
    it = it,
    before_each = function(body) table.insert(before, body) end,
    after_each = function(body) table.insert(after, body) end,
    expect = expect,
    script = script,
    run = run,
    configuration = configuration,
    bench = bench,
    advance = host.advance,
    now = host.now,
  },
}
