describe("ipAllowList", function()
  local options = { sourceRange = { "192.0.2.0/24", "2001:db8::1" } }

  local function status(more, request)
    local all = table.clone(options)
    for name, value in pairs(more) do all[name] = value end
    return run("ipAllowList", { options = all, request = request }).status
  end

  it("lets clients of the list in", function()
    expect(status({}, { peer = "192.0.2.9" })).to_be(200)
    expect(status({}, { peer = "2001:db8::1" })).to_be(200)
    expect(status({}, { peer = "198.51.100.1" })).to_be(403)
    expect(status({ rejectStatusCode = 404 }, { peer = "198.51.100.1" })).to_be(404)
  end)

  it("looks at X-Forwarded-For when it is told to", function()
    local request = { peer = "198.51.100.1", headers = { ["X-Forwarded-For"] = "192.0.2.1, 1.1.1.1" } }
    expect(status({ ipStrategy = { depth = 2 } }, request)).to_be(200)
    expect(status({ ipStrategy = { depth = 1 } }, request)).to_be(403)
  end)

  it("needs addresses", function()
    expect(function() run("ipAllowList", { options = { sourceRange = {} } }) end).to_fail("is empty")
  end)
end)
