-- Tests of geoip.
describe("geoip", function()
  it("needs its database", function()
    expect(function() script("geoip", { options = { database = "/nowhere/places.mmdb" } }) end)
      .to_fail("No such file")
  end)
end)
