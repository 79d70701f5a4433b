-- Tests of requestId.
describe("requestId", function()
  it("gives each request an id", function()
    local ids = script("requestId")
    local r = ids:send()
    local id = r.request.headers["X-Request-Id"]
    expect(id).to_match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$")
    expect(#id).to_be(36)
    expect(r.headers["X-Request-Id"]).to_be(id)
    expect(ids:send().headers["X-Request-Id"]).never.to_be(id)
  end)

  it("keeps an id that is fit", function()
    local function id(sent, options)
      local r = run("requestId", {
        options = options, request = { headers = { ["X-Request-Id"] = sent } },
      })
      return r.request.headers["X-Request-Id"]
    end
    expect(id("abc-1")).to_be("abc-1")
    expect(id("a b")).never.to_be("a b")
    expect(id("abc-1", { keep = false })).never.to_be("abc-1")
  end)

  it("has ids that sort by time", function()
    local ids = script("requestId", {
      options = { generator = "uuid7", includeInResponse = false },
    })
    local first = ids:send()
    advance("1s")
    local second = ids:send().request.headers["X-Request-Id"]
    expect(first.headers["X-Request-Id"]).to_be_nil()
    expect(first.request.headers["X-Request-Id"] < second).to_be_true()
    expect(#run("requestId", { options = { generator = "hex" } }).headers["X-Request-Id"]).to_be(32)
  end)
end)
