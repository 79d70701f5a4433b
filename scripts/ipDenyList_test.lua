-- Tests of ipDenyList.
describe("ipDenyList", function()
  it("refuses clients of the list", function()
    local list = script("ipDenyList", { options = { sourceRange = { "198.51.100.0/24" } } })
    expect(list:send({ peer = "198.51.100.7" }).status).to_be(403)
    expect(list:send({ peer = "192.0.2.7" }).status).to_be(200)
  end)

  it("refuses who hides where it comes from", function()
    local list = script("ipDenyList", {
      options = { sourceRange = { "198.51.100.0/24" }, ipStrategy = { depth = 1 } },
    })
    expect(list:send().status).to_be(403)
    expect(list:send({ headers = { ["X-Forwarded-For"] = "192.0.2.7" } }).status).to_be(200)
  end)

  it("needs addresses", function()
    expect(function() script("ipDenyList", { options = { sourceRange = {} } }) end).to_fail("empty")
  end)
end)
