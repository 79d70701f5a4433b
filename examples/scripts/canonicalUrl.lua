-- One address for each page: no www, no doubled or trailing slashes, no tracking parameters.
local tracking = { fbclid = true, gclid = true }

local function without_tracking(query)
  local kept = {}
  for part in (query or ""):gmatch("[^&]+") do
    local name = part:match("^[^=]*")
    if not tracking[name] and name:sub(1, 4) ~= "utm_" then kept[#kept + 1] = part end
  end
  return #kept > 0 and "?" .. table.concat(kept, "&") or ""
end

return {
  request = function(req)
    if req.method ~= "GET" and req.method ~= "HEAD" then return end
    local host = req.host:gsub("^www%.", "")
    local path = req.raw_path:gsub("//+", "/")
    if #path > 1 then path = path:gsub("/$", "") end
    local wanted = req.scheme .. "://" .. host .. path .. without_tracking(req.query)
    if wanted ~= req.scheme .. "://" .. req.host .. req.uri then return redirect(wanted, 301) end
  end,
}
