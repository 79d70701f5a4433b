-- The dynamic configuration as a program: what it returns is served, and it is followed like any
-- file. Try its tests with `moongate test`.
--
--   curl -H 'Host: blog.example' http://127.0.0.1:8000/     server 9001
--   curl -H 'Host: shop.example' http://127.0.0.1:8000/     server 9002
local domain = env("DOMAIN") or "example"
local sites = { blog = "http://127.0.0.1:9001", shop = "http://127.0.0.1:9002" }

local routers, services = {}, {}
for name, url in pairs(sites) do
  routers[name] = {
    rule = ("Host(`%s.%s`)"):format(name, domain),
    service = name,
    middlewares = { "tag" },
  }
  services[name] = {
    loadBalancer = { servers = { { url = url } } },
  }
end

return {
  http = {
    routers = routers,
    services = services,
    middlewares = {
      tag = { headers = { customResponseHeaders = { ["X-Site"] = domain } } },
    },
  },
}
