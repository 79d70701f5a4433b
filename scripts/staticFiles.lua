-- Answers with files of a folder: whole, in ranges, compressed beforehand, or 304 for those that
-- the client has. No name leads out of the folder.

local types = {
  avif = "image/avif", bin = "application/octet-stream", bmp = "image/bmp",
  css = "text/css; charset=utf-8", csv = "text/csv; charset=utf-8",
  eot = "application/vnd.ms-fontobject",
  gif = "image/gif", gz = "application/gzip", htm = "text/html; charset=utf-8",
  html = "text/html; charset=utf-8", ico = "image/x-icon", ics = "text/calendar; charset=utf-8",
  jpeg = "image/jpeg", jpg = "image/jpeg", js = "text/javascript; charset=utf-8",
  json = "application/json", jsonld = "application/ld+json", map = "application/json",
  md = "text/markdown; charset=utf-8", mjs = "text/javascript; charset=utf-8",
  mp3 = "audio/mpeg", mp4 = "video/mp4", oga = "audio/ogg", ogg = "audio/ogg",
  ogv = "video/ogg", otf = "font/otf", pdf = "application/pdf", png = "image/png",
  svg = "image/svg+xml", tar = "application/x-tar", tif = "image/tiff", tiff = "image/tiff",
  ttf = "font/ttf", txt = "text/plain; charset=utf-8", wasm = "application/wasm",
  wav = "audio/wav", webm = "video/webm", webmanifest = "application/manifest+json",
  webp = "image/webp", woff = "font/woff", woff2 = "font/woff2", xhtml = "application/xhtml+xml",
  xml = "application/xml", zip = "application/zip",
}

-- Endings of files that hold another one in compressed form.
local endings = { br = ".br", gzip = ".gz", zstd = ".zst" }

local function type_of(path, own)
  local ending = (path:match("%.([^./]+)$") or ""):lower()
  return own[ending] or types[ending] or "application/octet-stream"
end

-- The path below the folder; nil for one that names nothing there.
local function below(req, options)
  local path, prefix = req.path, options.stripPrefix
  if prefix ~= "" then
    if path:sub(1, #prefix) ~= prefix then return nil end
    path = path:sub(#prefix + 1)
    if prefix:sub(-1) ~= "/" and path ~= "" and path:sub(1, 1) ~= "/" then return nil end
  end
  if path:find("[%z\\]") then return nil end
  for part in path:gmatch("[^/]+") do
    if part == ".." or (part:sub(1, 1) == "." and not options.hidden) then return nil end
  end
  return path:gsub("^/+", "")
end

-- Whether the client takes a coding.
local function accepts(header, name)
  for item in header:lower():gmatch("[^,]+") do
    local found, weight = item:match("^%s*([%w*-]+)%s*;%s*q=([%d.]+)")
    if not found then found, weight = item:match("^%s*([%w*-]+)"), 1 end
    if found == name then return (tonumber(weight) or 0) > 0 end
  end
  return false
end

-- The file in compressed form, with its coding, when there is one that the client takes.
local function compressed(req, path, options, state)
  local header = req.headers["Accept-Encoding"]
  if not header then return nil end
  for _, coding in ipairs(options.precompressed) do
    if accepts(header, coding) then
      local file = state.root:find(path .. endings[coding])
      if file then return file, coding end
    end
  end
  return nil
end

local function is_known(req, tag, modified)
  local none_match = req.headers["If-None-Match"]
  if none_match then
    if none_match:match("^%s*%*%s*$") then return true end
    for other in none_match:gmatch('"[^"]*"') do
      if other == tag then return true end
    end
    return false
  end
  local since = time.parse_http(req.headers["If-Modified-Since"] or "")
  return since ~= nil and modified <= since
end

-- The part of a file that is asked for: its first and last byte, or "none" when there is no such
-- part; nil for the whole.
local function range_of(req, file, tag)
  local text = req.headers["Range"]
  if not text or req.method ~= "GET" then return nil end
  local condition = req.headers["If-Range"]
  if condition and condition ~= tag
    and time.parse_http(condition) ~= file.modified then
    return nil
  end
  -- Several parts at once may be answered with the whole (RFC 9110, section 14.2).
  local first, last = text:match("^bytes=(%d*)%-(%d*)$")
  if not first or (first == "" and last == "") then return nil end
  first, last = tonumber(first), tonumber(last)
  if not first then
    if last == 0 then return "none" end
    return math.max(file.length - last, 0), file.length - 1
  end
  if last and last < first then return nil end
  if first >= file.length then return "none" end
  return first, math.min(last or file.length - 1, file.length - 1)
end

-- The answer that a file makes.
local function answer(req, file, path, coding, options)
  local tag = '"' .. file.tag .. '"'
  local res
  if is_known(req, tag, file.modified) then
    res = respond(304)
  else
    local first, last = range_of(req, file, tag)
    if first == "none" then
      return respond(416, nil, { ["Content-Range"] = string.format("bytes */%d", file.length) })
    elseif first then
      res = file:respond(206, first, last)
      res.headers["Content-Range"] = string.format("bytes %d-%d/%d", first, last, file.length)
    else
      res = file:respond(200)
    end
    res.headers["Content-Type"] = type_of(path, options.mimeTypes)
    res.headers["Accept-Ranges"] = "bytes"
    res.headers["Content-Encoding"] = coding
  end
  res.headers["ETag"] = tag
  res.headers["Last-Modified"] = time.http(file.modified)
  if options.cacheControl ~= "" then res.headers["Cache-Control"] = options.cacheControl end
  if #options.precompressed > 0 then res.headers["Vary"] = "Accept-Encoding" end
  return res
end

-- The file at a path, or the one that stands for a folder; else why there is none.
local function look_up(path, options, state)
  local file, why = state.root:find(path)
  if why ~= "folder" then return file, path, why end
  if path ~= "" and path:sub(-1) ~= "/" then return nil, path, "folder" end
  for _, name in ipairs(options.index) do
    file = state.root:find(path .. name)
    if file then return file, path .. name end
  end
  return nil, path, "nothing"
end

return {
  schema = {
    doc = "Answers with files of a folder.",
    standalone = false,
    root = { type = "path", required = true, doc = "The folder." },
    stripPrefix = {
      type = "string", default = "",
      doc = "The beginning of the request's path that is not part of the folder's.",
    },
    index = {
      type = "list", of = "string", default = { "index.html" },
      doc = "Files that stand for a folder, the first that is there.",
    },
    fallback = {
      type = "string", default = "",
      doc = "A file of the folder for all paths that name none, as applications of one page need.",
    },
    notFound = {
      type = "string", default = "", doc = "A file of the folder that is the page for 404.",
    },
    passMissing = {
      type = "boolean", default = false,
      doc = "Whether requests for what is not there go on to the service.",
    },
    hidden = {
      type = "boolean", default = false,
      doc = "Whether names that begin with a dot are served.",
    },
    precompressed = {
      type = "list", of = { type = "enum", values = { "br", "gzip", "zstd" } }, default = {},
      doc = "Codings of which files lie beside the others, as app.js.br does, the preferred first.",
    },
    cacheControl = {
      type = "string", default = "", doc = "The header Cache-Control of files.",
    },
    mimeTypes = {
      type = "map", of = "string", default = {},
      doc = "Media types by the ending of a name, beside those that are known.",
    },
  },

  setup = function(options) return { root = files.open(options.root) } end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local is_read = req.method == "GET" or req.method == "HEAD"
    local path = below(req, options)
    local file, name, why
    if path and is_read then file, name, why = look_up(path, options, state) end
    if not file and why == "folder" then
      -- So that relative links of the page lead into the folder.
      local query = req.query
      return redirect(req.raw_path:gsub("^/+", "/") .. "/" .. (query and "?" .. query or ""), 301)
    end
    if not file and options.passMissing then return end
    if not is_read then return respond(405, nil, { Allow = "GET, HEAD" }) end
    if not file and options.fallback ~= "" then
      file, name = state.root:find(options.fallback), options.fallback
    end
    if file then
      local small, coding = compressed(req, name, options, state)
      return answer(req, small or file, name, coding, options)
    end
    local page = options.notFound ~= "" and state.root:find(options.notFound)
    if not page then return respond(404, "404 page not found\n") end
    local res = page:respond(404)
    res.headers["Content-Type"] = type_of(options.notFound, options.mimeTypes)
    return res
  end,
}
