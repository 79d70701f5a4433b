-- Tests of ipDenyList.
describe("ipDenyList", function()
  local function status(options, request)
    return run("ipDenyList", { options = options, request = request }).status
  end

  it("refuses those on the list and lets others in", function()
    local options = { sourceRange = { "192.0.2.0/24" } }
    expect(status(options, { peer = "192.0.2.7" })).to_be(403)
    expect(status(options, { peer = "198.51.100.7" })).to_be(200)
  end)

  it("refuses who says nothing of where it comes from", function()
    local options = { sourceRange = { "192.0.2.0/24" }, ipStrategy = { depth = 1 } }
    expect(status(options, { peer = "198.51.100.7" })).to_be(403)
  end)

  it("needs a list", function()
    expect(function() script("ipDenyList", { options = { rejectStatusCode = 404 } }) end)
      .to_fail("sourceRange: is empty")
  end)
end)

bench("ipDenyList", "ipDenyList", { options = { sourceRange = { "203.0.113.0/24" } } })
