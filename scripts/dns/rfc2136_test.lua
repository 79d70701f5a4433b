-- Tests of rfc2136: its variables. What it says to a name server is tested with a real one.
describe("rfc2136", function()
  local function opening(options)
    return function() script("rfc2136", { options = options }) end
  end
  local server = "192.0.2.53"

  it("tells what is missing", function()
    expect(opening({})).to_fail("RFC2136_NAMESERVER: is required")
    expect(opening({ RFC2136_NAMESERVER = server, RFC2136_TSIG_KEY = "k" }))
      .to_fail("RFC2136_TSIG_SECRET is missing")
    expect(opening({ RFC2136_NAMESERVER = server, RFC2136_TSIG_SECRET = "s" }))
      .to_fail("RFC2136_TSIG_KEY is missing")
    expect(opening({
      RFC2136_NAMESERVER = server, RFC2136_TSIG_KEY = "k", RFC2136_TSIG_SECRET = "s",
      RFC2136_TSIG_FILE = "/k",
    })).to_fail("exclude each other")
  end)

  it("reads files of keys", function()
    local function failure(files)
      local options = { RFC2136_NAMESERVER = server, RFC2136_TSIG_FILE = "/k" }
      return script("rfc2136", { options = options, files = files })
        :perform("present", { fqdn = "_acme-challenge.a.example.", value = "v" }).error
    end
    expect(failure({})).to_contain("RFC2136_TSIG_FILE: missing")
    expect(failure({ ["/k"] = "key x { };" })).to_contain("holds no key with algorithm and secret")
    local function file(algorithm, secret)
      return 'key "k.test" {\n\talgorithm ' .. algorithm .. ';\n\tsecret "' .. secret .. '";\n};\n'
    end
    expect(failure({ ["/k"] = file("hmac-md5", "c2VjcmV0") })).to_contain('"hmac-md5" is none of')
    expect(failure({ ["/k"] = file("hmac-sha256", "?") })).to_contain("no base64")
    -- The test's machine connects to nothing.
    expect(failure({ ["/k"] = file("hmac-sha256", "c2VjcmV0") })).to_contain("192.0.2.53:53")
  end)
end)
