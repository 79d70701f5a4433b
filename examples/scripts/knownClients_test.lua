-- Tests of knownClients.
describe("knownClients", function()
  local judge

  before_each(function() judge = script("knownClients") end)

  it("lets clients in that nobody has named", function()
    local became = judge:handshake({ sni = "a.test", ja4 = "t13d1517h2_8daaf6152771_b0da82dd1658" })
    expect(became.closed).to_be_false()
    expect(became.error).to_be_nil()
    expect(judge:handshake({ sni = "a.test" }).closed).to_be_false()
  end)

  it("closes the others, and counts them", function()
    local listed = "t13i190900_9dc949149365_97f8aa674fd9"
    expect(judge:handshake({ sni = "a.test", ja4 = listed }).closed).to_be_true()
    expect(judge:handshake({ alpn = { "h2" } }).closed).to_be_true()
    expect(judge:logs()[1].fields.why).to_be("a scanner")
    expect(judge:metrics()).to_contain('handshakes_refused{why="no name"} 1')
  end)
end)
