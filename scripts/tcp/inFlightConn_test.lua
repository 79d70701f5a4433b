-- Tests of inFlightConn.
describe("inFlightConn", function()
  it("closes connections beyond the amount", function()
    local none = script("tcp/inFlightConn", { options = { amount = 0 } })
    expect(none:connect({ peer = "192.0.2.7" }).closed).to_be_true()
    local one = script("tcp/inFlightConn", { options = { amount = 1 } })
    expect(one:connect({ peer = "192.0.2.7" }).closed).to_be_false()
  end)
end)
