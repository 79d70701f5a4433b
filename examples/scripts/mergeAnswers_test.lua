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
end)
