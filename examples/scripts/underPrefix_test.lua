describe("underPrefix", function()
  local function ask(path, answer)
    return run("underPrefix", { options = { prefix = "/wiki" }, request = "GET " .. path, upstream = answer })
  end

  it("takes the prefix off requests", function()
    expect(ask("/wiki/page").request.path).to_be("/page")
    expect(ask("/wiki").headers["Location"]).to_be("/wiki/")
    expect(ask("/wikipedia").status).to_be(404)
  end)

  it("puts it onto redirects and cookies", function()
    local r = ask("/wiki/in", {
      status = 302,
      headers = { Location = "/home", ["Set-Cookie"] = { "a=1; Path=/; Secure", "b=2" } },
    })
    expect(r.headers["Location"]).to_be("/wiki/home")
    expect(r.headers:all("Set-Cookie")).to_equal({ "a=1; Path=/wiki/; Secure", "b=2" })
    expect(ask("/wiki/", { headers = { Location = "https://x/" } }).headers["Location"]).to_be("https://x/")
  end)
end)
