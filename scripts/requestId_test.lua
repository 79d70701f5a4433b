-- Tests of requestId.
describe("requestId", function()
  it("gives every request another id, which server and client are told", function()
    local numbered = script("requestId", { options = {} })
    local one, two = numbered:send(), numbered:send()
    expect(one.headers["X-Request-Id"]).to_match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$")
    expect(one.request.headers["X-Request-Id"]).to_be(one.headers["X-Request-Id"])
    expect(two.headers["X-Request-Id"]).never.to_be(one.headers["X-Request-Id"])
  end)

  it("keeps an id that can stand in logs, and no other", function()
    local function id(sent, keep)
      return run("requestId", {
        options = { keep = keep }, request = { headers = { ["X-Request-Id"] = sent } },
      }).request.headers["X-Request-Id"]
    end
    expect(id("abc-1", true)).to_be("abc-1")
    expect(id("abc-1", false)).never.to_be("abc-1")
    expect(id("a b", true)).never.to_be("a b")
  end)

  it("makes ids that sort by time", function()
    local numbered = script("requestId", { options = { generator = "uuid7" } })
    local first = numbered:send().headers["X-Request-Id"]
    advance("1s")
    expect(first < numbered:send().headers["X-Request-Id"]).to_be_true()
  end)
end)

bench("requestId", "requestId", { options = {} })
