describe("redactJson", function()
  it("removes fields however deep they are", function()
    local r = run("redactJson", {
      options = { fields = { "password" } },
      upstream = {
        body = '{"users":[{"name":"a","password":"x"}],"password":1}',
        headers = { ["Content-Type"] = "application/json" },
      },
    })
    expect(json.decode(r.body)).to_equal({ users = { { name = "a" } } })
  end)

  it("leaves what is no JSON", function()
    local options = { fields = { "password" } }
    expect(run("redactJson", { options = options, upstream = "password" }).body).to_be("password")
  end)
end)
