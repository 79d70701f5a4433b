-- Tests of maintenance.
describe("maintenance", function()
  it("answers in the place of the service", function()
    local r = run("maintenance", { options = { body = "later", retryAfter = "1m" } })
    expect(r.status).to_be(503)
    expect(r.body).to_be("later")
    expect(r.headers["Retry-After"]).to_be("60")
    expect(r.headers["Cache-Control"]).to_be("no-store")
    expect(run("maintenance", { options = { enabled = false } }).status).to_be(200)
  end)

  it("begins and ends when it is told to", function()
    local site = script("maintenance", {
      options = { from = "2026-01-01T00:10:00Z", ["until"] = "2026-01-01T02:00:00+01:00" },
    })
    expect(site:send().status).to_be(200)
    advance("10m")
    local r = site:send()
    expect(r.status).to_be(503)
    expect(r.headers["Retry-After"]).to_be("3000")
    advance("50m")
    expect(site:send().status).to_be(200)
    expect(function() run("maintenance", { options = { from = "soon" } }) end).to_fail("no time")
  end)

  it("lets those through who work on it", function()
    local site = script("maintenance", {
      options = {
        sourceRange = { "10.0.0.0/8" }, bypassKey = "key", excludedPaths = { "/health" },
      },
    })
    expect(site:send({ peer = "10.1.1.1" }).status).to_be(200)
    expect(site:send("GET /health/live").status).to_be(200)
    expect(site:send("GET /healthy").status).to_be(503)
    expect(site:send({ headers = { ["X-Maintenance-Key"] = "key" } }).status).to_be(200)
    expect(site:send({ headers = { Cookie = "maintenance-key=key" } }).status).to_be(200)
    expect(site:send({ headers = { Cookie = "maintenance-key=no" } }).status).to_be(503)
  end)

  it("asks a service for the answer", function()
    local r = run("maintenance", {
      options = { service = "pages" }, services = { pages = "from the service" },
    })
    expect(r.status).to_be(503)
    expect(r.body).to_be("from the service")
  end)
end)
