describe("blockCountries", function()
  local function status(options, country)
    return run("blockCountries", {
      options = options, request = { headers = { ["CF-IPCountry"] = country } },
    }).status
  end

  it("serves the countries it is told", function()
    expect(status({ denied = { "xx" } }, "XX")).to_be(451)
    expect(status({ denied = { "xx" } }, "DE")).to_be(200)
    expect(status({ denied = { "xx" } }, nil)).to_be(200)
    expect(status({ allowed = { "DE" } }, "de")).to_be(200)
    expect(status({ allowed = { "DE" } }, nil)).to_be(451)
  end)

  it("takes one of both lists", function()
    expect(function() status({ allowed = { "A" }, denied = { "B" } }) end).to_fail("not both")
  end)
end)
