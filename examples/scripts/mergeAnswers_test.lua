-- Tests of mergeAnswers.
describe("mergeAnswers", function()
  it("asks all and shows what there is", function()
    local r = run("mergeAnswers", {
      options = { parts = { user = "service:users/me", cart = "service:carts/mine" } },
      services = {
        users = function(req) return '{"path":"' .. req.path .. '"}' end,
        carts = { status = 503 },
      },
    })
    expect(json.decode(r.body)).to_equal({ user = { path = "/me" }, cart = { error = 503 } })
  end)

  it("asks them at the same time", function()
    local slow = { body = "1", delay = "300ms" }
    local r = run("mergeAnswers", {
      options = { parts = { a = "service:a/", b = "service:b/", c = "service:c/" } },
      services = { a = slow, b = slow, c = { body = "1", delay = "2s" } },
    })
    expect(json.decode(r.body)).to_equal({ a = 1, b = 1, c = { error = "timeout" } })
    expect(r.took).to_be_near(1, 0.1)
  end)
end)
