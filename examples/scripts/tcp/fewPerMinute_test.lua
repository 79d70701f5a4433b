-- Tests of fewPerMinute.
describe("fewPerMinute", function()
  it("closes what is too much", function()
    local guard = script("fewPerMinute", { options = { per_minute = 2 } })
    local function closed(peer) return guard:connect({ peer = peer }).closed end
    expect(closed("192.0.2.1")).to_be_false()
    expect(closed("192.0.2.1")).to_be_false()
    expect(closed("192.0.2.1")).to_be_true()
    expect(closed("192.0.2.2")).to_be_false()
    advance("1m")
    expect(closed("192.0.2.1")).to_be_false()
  end)
end)
