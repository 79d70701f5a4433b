-- Tests of duckdns.
describe("duckdns", function()
  local function told(hook, fqdn, answer)
    local known = script("duckdns", {
      options = { DUCKDNS_TOKEN = "t/1" }, fetch = function() return answer or "OK" end,
    })
    local done = known:perform(hook, { fqdn = fqdn, value = "v" })
    return done.error, done.fetched[1] and done.fetched[1].url
  end

  it("sets and clears the text of the domain", function()
    local base = "https://www.duckdns.org/update?domains=mine&token=t%2F1"
    local failure, asked = told("present", "_acme-challenge.a.mine.duckdns.org.")
    expect(failure).to_be_nil()
    expect(asked).to_be(base .. "&txt=v")
    failure, asked = told("cleanup", "_acme-challenge.mine.duckdns.org.")
    expect(failure).to_be_nil()
    expect(asked).to_be(base .. "&txt=&clear=true")
  end)

  it("tells what is wrong", function()
    expect((told("present", "_acme-challenge.mine.test."))).to_contain("is not below duckdns.org")
    local mine = "_acme-challenge.mine.duckdns.org."
    expect((told("present", mine, "KO"))).to_contain("update of mine: status 200: KO")
    expect((told("present", mine, { failure = "refused" }))).to_contain("update of mine: ")
    expect(function() script("duckdns", {}) end).to_fail("DUCKDNS_TOKEN: is required")
  end)
end)
