-- Tests of maintenance.
describe("maintenance", function()
  local function ask(options, request)
    return run("maintenance", { options = options, request = request })
  end

  it("answers in the service's place", function()
    local r = ask({ retryAfter = "2m" })
    expect(r.status).to_be(503)
    expect(r.headers["Retry-After"]).to_be("120")
    expect(r.request).to_be_nil()
  end)

  it("begins and ends", function()
    local closed = script("maintenance", {
      options = { from = "2026-01-01T00:01:00Z", ["until"] = "2026-01-01T01:02:00+01:00" },
    })
    expect(closed:send().status).to_be(200)
    advance("90s")
    local r = closed:send()
    expect(r.status).to_be(503)
    expect(r.headers["Retry-After"]).to_be("30")
    advance("30s")
    expect(closed:send().status).to_be(200)
  end)

  it("lets in who has the key or a path that stays open", function()
    local options = { bypassKey = "tide", excludedPaths = { "/health" } }
    expect(ask(options, { headers = { ["X-Maintenance-Key"] = "tide" } }).status).to_be(200)
    expect(ask(options, { headers = { ["X-Maintenance-Key"] = "ebb" } }).status).to_be(503)
    expect(ask(options, "GET http://a.example/health/live").status).to_be(200)
    expect(ask(options, "GET http://a.example/healthy").status).to_be(503)
  end)

  it("answers with another service", function()
    local r = run("maintenance", {
      options = { service = "page" }, services = { page = { status = 200, body = "soon" } },
    })
    expect(r.status).to_be(503)
    expect(r.body).to_be("soon")
  end)
end)
