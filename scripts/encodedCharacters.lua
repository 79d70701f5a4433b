-- Refuses paths that hold encoded characters which servers may read in another way.
local characters = {
  allowEncodedSlash = "%2F",
  allowEncodedBackSlash = "%5C",
  allowEncodedNullCharacter = "%00",
  allowEncodedSemicolon = "%3B",
  allowEncodedPercent = "%25",
  allowEncodedQuestionMark = "%3F",
  allowEncodedHash = "%23",
}

local schema = {
  doc = "Refuses paths that hold encoded characters which servers may read in another way.",
  standalone = false,
}
for name, escape in pairs(characters) do
  schema[name] = {
    type = "boolean", default = false, doc = "Whether paths may hold `" .. escape .. "`.",
  }
end

return {
  schema = schema,

  setup = function(options)
    local refused = {}
    for name, escape in pairs(characters) do
      if not options[name] then refused[escape] = true end
    end
    return refused
  end,

  request = function(req, ctx)
    local path, refused = req.raw_path, ctx.state
    if not path:find("%", 1, true) then return end
    -- Escapes of requests are in upper case.
    for escape in path:gmatch("%%%x%x") do
      if refused[escape] then return respond(400, status_text(400)) end
    end
  end,
}
