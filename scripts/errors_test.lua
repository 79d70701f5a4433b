describe("errors", function()
  local options = { status = { "404", "500-599" }, service = "pages", query = "/{status}.html?u={url}" }
  local services = { pages = function(req) return "page for " .. req.path end }

  it("answers a status of the list with a page", function()
    local r = run("errors", {
      options = options, services = services, upstream = 503, request = "GET http://a.example/x",
    })
    expect(r.status).to_be(503)
    expect(r.body).to_be("page for /503.html")
    expect(r.request.query).to_contain("u=http%3A%2F%2Fa.example%2Fx")
  end)

  it("leaves other answers", function()
    local r = run("errors", { options = options, services = services, upstream = "fine" })
    expect(r.body).to_be("fine")
    expect(#r.upstream).to_be(1)
  end)

  it("rewrites statuses", function()
    local rewriting = table.clone(options)
    rewriting.statusRewrites = { ["500-599"] = 404 }
    local r = run("errors", { options = rewriting, services = services, upstream = 500 })
    expect(r.status).to_be(404)
    expect(r.body).to_be("page for /404.html")
  end)

  it("answers 500 when the service is gone", function()
    expect(run("errors", { options = options, upstream = 404 }).status).to_be(500)
  end)
end)
