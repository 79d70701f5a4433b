describe("apiVersion", function()
  local api = {
    options = { services = { ["1"] = "old", ["2"] = "new" } },
    services = {
      old = function(req) return "old " .. req.path end,
      new = function(req) return "new " .. req.path end,
    },
    upstream = "none",
  }

  it("reads path and header", function()
    local versions = script("apiVersion", api)
    expect(versions:send("GET /v2/users").body).to_be("new /users")
    expect(versions:send({ url = "/users", headers = { ["X-Api-Version"] = "1" } }).body).to_be("old /users")
    expect(versions:send("GET /users").body).to_be("none")
    expect(versions:send({ headers = { ["X-Api-Version"] = "7" } }).status).to_be(404)
  end)
end)
