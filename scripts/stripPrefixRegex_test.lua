describe("stripPrefixRegex", function()
  local options = { regex = { "/v[0-9]+" } }

  it("removes what matches at the beginning", function()
    local r = run("stripPrefixRegex", { options = options, request = "GET /v12/users" })
    expect(r.request.path).to_be("/users")
    expect(r.request.headers["X-Forwarded-Prefix"]).to_be("/v12")
  end)

  it("leaves other paths alone", function()
    local r = run("stripPrefixRegex", { options = options, request = "GET /users/v1" })
    expect(r.request.path).to_be("/users/v1")
  end)
end)
