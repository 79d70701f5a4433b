describe("canary", function()
  local function with(percent)
    return script("canary", {
      options = { service = "v2", percent = percent },
      services = { v2 = "new" },
      upstream = "old",
    })
  end

  it("splits users and remembers them", function()
    local r = with(100):send()
    expect(r.body).to_be("new")
    expect(r.headers["Set-Cookie"]).to_contain("version=new")
    r = with(0):send()
    expect(r.body).to_be("old")
    expect(r.headers["Set-Cookie"]).to_contain("version=old")
  end)

  it("keeps to the cookie and sets none again", function()
    local r = with(0):send({ headers = { Cookie = "version=new" } })
    expect(r.body).to_be("new")
    expect(r.headers["Set-Cookie"]).to_be_nil()
  end)

  it("obeys the header", function()
    expect(with(0):send({ headers = { ["X-Canary"] = "new" } }).body).to_be("new")
  end)
end)
