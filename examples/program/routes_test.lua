-- Tests of routes.lua: moongate test
describe("routes", function()
  it("has a router for each site", function()
    local http = configuration("routes").http
    expect(http.routers.blog.rule).to_be("Host(`blog.example`)")
    expect(http.services.shop.loadBalancer.servers[1].url).to_be("http://127.0.0.1:9002")
  end)

  it("goes by the domain of the environment", function()
    local http = configuration("routes", { env = { DOMAIN = "test" } }).http
    expect(http.routers.shop.rule).to_be("Host(`shop.test`)")
    expect(http.middlewares.tag.headers.customResponseHeaders["X-Site"]).to_be("test")
  end)
end)
