-- Tests of httpreq.
local challenge = {
  domain = "a.example", fqdn = "_acme-challenge.a.example.", value = "v", token = "t",
  key_authorization = "t.k",
}

describe("httpreq", function()
  it("tells a service of names and values", function()
    local known = script("httpreq", {
      options = { HTTPREQ_ENDPOINT = "http://dns.example/api/" }, fetch = function() return 200 end,
    })
    for _, what in ipairs({ "present", "cleanup" }) do
      local done = known:perform(what, challenge)
      expect(done.error).to_be_nil()
      local asked = done.fetched[1]
      expect(asked.method .. " " .. asked.url).to_be("POST http://dns.example/api/" .. what)
      expect(json.decode(asked.body)).to_equal({ fqdn = "_acme-challenge.a.example.", value = "v" })
      expect(asked.headers["Authorization"]).to_be_nil()
    end
  end)

  it("passes the challenge on as it is, with a password", function()
    local known = script("httpreq", {
      options = {
        HTTPREQ_ENDPOINT = "http://dns.example", HTTPREQ_MODE = "RAW",
        HTTPREQ_USERNAME = "u", HTTPREQ_PASSWORD = "p",
      },
      fetch = function() return 204 end,
    })
    local asked = known:perform("present", challenge).fetched[1]
    expect(json.decode(asked.body))
      .to_equal({ domain = "a.example", token = "t", keyAuth = "t.k" })
    expect(asked.headers["Authorization"]).to_be("Basic dTpw")
  end)

  it("tells what is wrong", function()
    expect(function() script("httpreq", {}) end).to_fail("HTTPREQ_ENDPOINT: is required")
    local function failure(answer)
      local options = { HTTPREQ_ENDPOINT = "http://dns.example" }
      return script("httpreq", { options = options, fetch = function() return answer end })
        :perform("present", challenge).error
    end
    expect(failure({ status = 500, body = "full" })).to_contain("POST /present: status 500: full")
    expect(failure({ failure = "refused" })).to_contain("POST /present: ")
  end)
end)
