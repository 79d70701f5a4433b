-- Tests of replacePath.
describe("replacePath", function()
  it("replaces the path and tells the original", function()
    local r = run("replacePath", { options = { path = "/new" }, request = "GET /old?x=1" })
    expect(r.request.path).to_be("/new")
    expect(r.request.query).to_be("x=1")
    expect(r.request.headers["X-Replaced-Path"]).to_be("/old")
  end)

  it("answers 500 when the new path is none", function()
    local r = run("replacePath", { options = { path = "/%zz" }, request = "GET /old" })
    expect(r.status).to_be(500)
  end)
end)
