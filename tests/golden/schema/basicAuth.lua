---@meta

---Lets requests with a known name and password pass.
---@class basicAuth.options
---@field headerField? string A request header that gets the user's name.
---@field realm string The realm that clients are told.
---@field removeHeader boolean Whether the server does not get `Authorization`.
---@field users? string[] Users as htpasswd writes them: `name:hash`, the hash MD5, SHA1 or bcrypt.
---@field usersFile? string A file with one user a line.
