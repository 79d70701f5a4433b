describe("problemJson", function()
  it("gives errors one form", function()
    local r = run("problemJson", {
      upstream = { status = 503, body = "stack trace", headers = { ["Retry-After"] = "5" } },
    })
    expect(r.status).to_be(503)
    expect(json.decode(r.body)).to_equal({ status = 503, title = "Service Unavailable" })
    expect(r.headers["Retry-After"]).to_be("5")
  end)

  it("leaves good answers and those that have the form", function()
    expect(run("problemJson", { upstream = "fine" }).body).to_be("fine")
    local own = { status = 400, body = "{}", headers = { ["Content-Type"] = "application/problem+json" } }
    expect(run("problemJson", { upstream = own }).body).to_be("{}")
  end)
end)
