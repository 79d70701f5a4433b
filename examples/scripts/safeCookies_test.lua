describe("safeCookies", function()
  it("adds what is missing", function()
    local r = run("safeCookies", {
      upstream = { headers = { ["Set-Cookie"] = { "a=1", "b=2; secure; SameSite=None; HttpOnly" } } },
    })
    expect(r.headers:all("Set-Cookie")).to_equal({
      "a=1; Secure; HttpOnly; SameSite=Lax", "b=2; secure; SameSite=None; HttpOnly",
    })
  end)
end)
