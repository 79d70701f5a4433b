-- Tests of acme-dns.
local challenge = { domain = "a.example", fqdn = "_acme-challenge.a.example.", value = "v" }
local account = { username = "u", password = "p", subdomain = "s", fulldomain = "s.auth.test" }

-- acme-dns, and what it was told.
local function server(told)
  return function(raw)
    if raw.url == "https://auth.test/register" then
      told.register = raw.body
      return { status = 201, body = json.encode(account) }
    end
    if raw.url == "https://auth.test/update" then
      if raw.headers["X-Api-User"] ~= "u" or raw.headers["X-Api-Key"] ~= "p" then
        return { status = 401, body = "forbidden" }
      end
      told.update = json.decode(raw.body)
      return '{"txt":"v"}'
    end
    return told.service(raw)
  end
end

describe("acme-dns", function()
  it("registers once, asks for the CNAME, and sets texts then", function()
    local told, files = {}, { ["/accounts"] = '{"b.example":{"username":"b"}}' }
    local known = script("acme-dns", {
      options = {
        ACME_DNS_API_BASE = "https://auth.test/", ACME_DNS_STORAGE_PATH = "/accounts",
        ACME_DNS_ALLOWLIST = "192.0.2.0/24, 2001:db8::/32",
      },
      fetch = server(told), files = files,
    })
    expect(known:perform("present", challenge).error)
      .to_contain("_acme-challenge.a.example. CNAME s.auth.test.")
    expect(json.decode(told.register))
      .to_equal({ allowfrom = { "192.0.2.0/24", "2001:db8::/32" } })
    local kept = json.decode(files["/accounts"])
    expect(kept["a.example"].subdomain).to_be("s")
    expect(kept["b.example"].username).to_be("b")
    told.register = nil
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(told.register).to_be_nil()
    expect(told.update).to_equal({ subdomain = "s", txt = "v" })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
  end)

  it("keeps accounts at a service", function()
    local told, kept = {}, {}
    told.service = function(raw)
      local domain = raw.url:match("^https://accounts%.test/x/(.+)$")
      if raw.method == "POST" then
        kept[domain] = raw.body
        return domain == "a.example" and 201 or 200
      end
      return kept[domain] or 404
    end
    local known = script("acme-dns", {
      options = {
        ACME_DNS_API_BASE = "https://auth.test",
        ACME_DNS_STORAGE_BASE_URL = "https://accounts.test/x",
      },
      fetch = server(told),
    })
    -- The service says that it has set the CNAME itself.
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(told.update.txt).to_be("v")
    expect(told.register).to_be("")
    local other = { domain = "b.example", fqdn = "_acme-challenge.b.example.", value = "v" }
    expect(known:perform("present", other).error).to_contain("CNAME")
    expect(known:perform("present", other).error).to_be_nil()
  end)

  it("tells what is wrong", function()
    local function opening(options)
      return function() script("acme-dns", { options = options }) end
    end
    expect(opening({})).to_fail("ACME_DNS_API_BASE: is required")
    local at = "https://auth.test"
    expect(opening({ ACME_DNS_API_BASE = at })).to_fail("ACME_DNS_STORAGE_PATH is missing")
    expect(opening({
      ACME_DNS_API_BASE = at, ACME_DNS_STORAGE_PATH = "/a", ACME_DNS_STORAGE_BASE_URL = at,
    })).to_fail("exclude each other")
    local function failure(fetch, files, keeper)
      local options = { ACME_DNS_API_BASE = at, ACME_DNS_STORAGE_PATH = "/a" }
      if keeper then
        options = { ACME_DNS_API_BASE = at, ACME_DNS_STORAGE_BASE_URL = "https://accounts.test" }
      end
      local known = script("acme-dns", { options = options, fetch = fetch, files = files })
      return known:perform("present", challenge).error
    end
    expect(failure(nil, { ["/a"] = "no json" })).to_contain("/a holds no JSON object")
    expect(failure(nil, nil)).to_contain("ACME_DNS_STORAGE_PATH: ")
    expect(failure(function() return { status = 500, body = "x" } end, {}))
      .to_contain("register: status 500: x")
    expect(failure(function() return { failure = "refused" } end, {})).to_contain("register: ")
    local mine = json.encode({ ["a.example"] = { username = "x", password = "y" } })
    expect(failure(server({}), { ["/a"] = mine })).to_contain("update: status 401: forbidden")
    local service = { service = function() return { status = 503, body = "away" } end }
    expect(failure(server(service), nil, true)).to_contain("service: status 503: away")
    service.service = function(raw) return raw.method == "GET" and 404 or 500 end
    expect(failure(server(service), nil, true)).to_contain("service: status 500")
  end)
end)
