-- Tests of redirectMap.
describe("redirectMap", function()
  it("knows old addresses", function()
    local map = script("redirectMap", {
      options = { paths = { ["/old"] = "/new" }, gone = { "/gone" } },
    })
    expect(map:send("GET /old?a=1").headers["Location"]).to_be("/new?a=1")
    expect(map:send("GET /gone").status).to_be(410)
    expect(map:send("GET /new").status).to_be(200)
  end)
end)
