local options = { prefixes = { "/api", "/v1" } }

describe("stripPrefix", function()
  it("removes the first prefix that fits and tells which", function()
    local r = run("stripPrefix", { options = options, request = "GET /api/users" })
    expect(r.request.path).to_be("/users")
    expect(r.request.headers["X-Forwarded-Prefix"]).to_be("/api")
  end)

  it("leaves other paths alone", function()
    local r = run("stripPrefix", { options = options, request = "GET /other" })
    expect(r.request.path).to_be("/other")
    expect(r.request.headers["X-Forwarded-Prefix"]).to_be_nil()
  end)

  it("leaves a slash of a path that is the prefix", function()
    local r = run("stripPrefix", { options = options, request = "GET /v1" })
    expect(r.request.path).to_be("/")
  end)

  it("refuses a path that would lead out of the folder", function()
    local r = run("stripPrefix", { options = options, request = "GET /api../secret" })
    expect(r.status).to_be(400)
    expect(r.request).to_be_nil()
  end)
end)

bench("stripPrefix", "stripPrefix", { options = options, request = "GET /api/users" })
