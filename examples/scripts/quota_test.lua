-- Tests of quota.
describe("quota", function()
  it("counts by key and day", function()
    local limited = script("quota", { options = { per_day = 2 } })
    local function ask(key) return limited:send({ headers = { ["X-API-Key"] = key } }) end
    expect(ask("a").headers["X-Remaining"]).to_be("1")
    expect(ask("a").headers["X-Remaining"]).to_be("0")
    expect(ask("a").status).to_be(429)
    expect(ask("b").status).to_be(200)
    advance("24h")
    expect(ask("a").status).to_be(200)
    expect(limited:send().status).to_be(401)
  end)
end)
