describe("addPrefix", function()
  it("puts the prefix in front of the path and leaves the query", function()
    local r = run("addPrefix", { options = { prefix = "/api" }, request = "GET /users?page=2" })
    expect(r.status).to_be(200)
    expect(r.request.path).to_be("/api/users")
    expect(r.request.query).to_be("page=2")
  end)

  it("adds a missing slash and keeps escapes", function()
    local r = run("addPrefix", { options = { prefix = "api" }, request = "GET /a%2Fb" })
    expect(r.request.path).to_be("/api/a%2Fb")
  end)

  it("needs a prefix", function()
    expect(function() run("addPrefix", { options = { prefix = "" } }) end).to_fail("prefix")
  end)
end)

bench("addPrefix", "addPrefix", { options = { prefix = "/api" }, request = "GET /users" })
