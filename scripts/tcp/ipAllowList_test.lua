describe("ipAllowList of TCP", function()
  local guard = { sourceRange = { "192.0.2.0/24" } }

  it("closes connections of others", function()
    local list = script("tcp/ipAllowList", { options = guard })
    expect(list:connect({ peer = "192.0.2.7" }).closed).to_be_false()
    expect(list:connect({ peer = "198.51.100.7" }).closed).to_be_true()
    expect(list:logs()[1].fields.address).to_be("198.51.100.7")
  end)
end)
