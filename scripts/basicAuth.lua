-- Lets requests pass whose user and password are known, and asks others for both.

-- Hashes by user, and one of them for those who are not known.
local function read(options)
  local users, any = {}, nil
  local function add(text)
    for line in text:gmatch("[^\r\n]+") do
      line = line:gsub("^%s+", ""):gsub("%s+$", "")
      if line ~= "" and line:sub(1, 1) ~= "#" then
        local user, hash = line:match("^([^:]*):([^:]*)$")
        if not user then error("users: a line is not of the form name:hash", 0) end
        users[user] = hash
        any = any or hash
      end
    end
  end
  add(options.usersFile or "")
  for _, text in ipairs(options.users or {}) do add(text) end
  return { users = users, any = any }
end

-- User and password of an Authorization header.
local function credentials(header)
  local encoded = header and header:match("^[Bb][Aa][Ss][Ii][Cc] (.*)$")
  local pair = encoded and base64.decode(encoded)
  if not pair then return nil end
  return pair:match("^([^:]*):(.*)$")
end

return {
  schema = {
    doc = "Lets requests pass whose user and password are known.",
    standalone = false,
    users = {
      type = "list", of = "secret",
      doc = "Users as htpasswd writes them: name:hash, the hash bcrypt, MD5 or SHA-1.",
      crd = {
        name = "secret", type = "secret", keys = { "users" },
        doc = "The Secret with the users, one a line.",
      },
    },
    usersFile = {
      type = "file", crd = false,
      doc = "A file with one user a line; users of the same name in users count instead.",
    },
    realm = {
      type = "string", default = "traefik",
      doc = "The realm that clients are told when they are asked.",
    },
    removeHeader = {
      type = "boolean", default = false,
      doc = "Whether the server does not get the Authorization header.",
    },
    headerField = {
      type = "string", default = "",
      doc = "A request header that gets the user's name.",
    },
  },

  setup = function(options)
    local state = read(options)
    local realm = options.realm
    if realm == "" then realm = "traefik" end
    state.challenge = {
      ["WWW-Authenticate"] = 'Basic realm="' .. realm:gsub('["\\]', "\\%0") .. '"',
      ["Content-Type"] = "text/plain",
    }
    return state
  end,

  request = function(req, ctx)
    local options, state = ctx.options, ctx.state
    local user, password = credentials(req.headers:get("Authorization"))
    local passes = false
    if user then
      req.user = user
      -- A user who is not known costs the same time, so that the names stay secret.
      local hash = state.users[user]
      passes = crypto.verify_password(password, hash or state.any or "") and hash ~= nil
    end
    if not passes then return respond(401, "401 Unauthorized\n", state.challenge) end
    if options.headerField ~= "" then req.headers[options.headerField] = user end
    if options.removeHeader then req.headers["Authorization"] = nil end
  end,
}
