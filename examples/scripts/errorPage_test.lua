describe("errorPage", function()
  local page = { headers = { Accept = "text/html,*/*" } }

  it("puts a page in the place of errors", function()
    local r = run("errorPage", { request = page, upstream = { status = 404, body = "nginx says no" } })
    expect(r.status).to_be(404)
    expect(r.body).to_contain("<h1>404</h1><p>Not Found")
  end)

  it("leaves other answers and other clients", function()
    expect(run("errorPage", { request = page, upstream = "fine" }).body).to_be("fine")
    expect(run("errorPage", { upstream = { status = 500, body = "{}" } }).body).to_be("{}")
  end)
end)
