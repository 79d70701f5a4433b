describe("replacePathRegex", function()
  local options = { regex = "^/users/(\\d+)", replacement = "/people/$1" }

  it("replaces what matches", function()
    local r = run("replacePathRegex", { options = options, request = "GET /users/7/mail" })
    expect(r.request.path).to_be("/people/7/mail")
    expect(r.request.headers["X-Replaced-Path"]).to_be("/users/7/mail")
  end)

  it("leaves other paths alone", function()
    local r = run("replacePathRegex", { options = options, request = "GET /groups/7" })
    expect(r.request.path).to_be("/groups/7")
    expect(r.request.headers["X-Replaced-Path"]).to_be_nil()
  end)
end)
