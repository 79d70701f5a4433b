describe("redirectRegex", function()
  local options = { regex = "^http://www\\.(.*)$", replacement = "https://${1}" }

  it("redirects what matches", function()
    local r = run("redirectRegex", { options = options, request = "GET http://www.a.example/x" })
    expect(r.status).to_be(302)
    expect(r.headers["Location"]).to_be("https://a.example/x")
  end)

  it("lets others pass", function()
    local r = run("redirectRegex", { options = options, request = "GET http://a.example/x" })
    expect(r.status).to_be(200)
  end)

  it("redirects for good when it is told so", function()
    local permanent = table.clone(options)
    permanent.permanent = true
    local r = run("redirectRegex", { options = permanent, request = "PUT http://www.a.example/" })
    expect(r.status).to_be(308)
  end)
end)
