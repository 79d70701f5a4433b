-- Tests of gandiv5.
local challenge = { fqdn = "_acme-challenge.example.com.", value = "v" }
local path = "/domains/example.com/records/_acme-challenge/TXT"

-- The API with one domain, and a token that may not look at others.
local function api(sets)
  return function(raw)
    local asked = raw.url:match("^https://api%.gandi%.net/v5/livedns(.*)$")
    if not raw.headers["Authorization"]:find("good$") then
      return { status = 401, body = '{"message":"bad credentials"}' }
    end
    if asked == "/domains/example.com" then return "{}" end
    if asked:find("^/domains/[^/]*$") then return { status = 403, body = '{"message":"no"}' } end
    if raw.method == "PUT" then
      sets[asked] = json.decode(raw.body)
      return { status = 201, body = '{"message":"DNS Record Created"}' }
    end
    if not sets[asked] then return { status = 404, body = '{"message":"none"}' } end
    if raw.method == "DELETE" then
      sets[asked] = nil
      return 204
    end
    local quoted = {}
    for _, text in ipairs(sets[asked].rrset_values) do table.insert(quoted, '"' .. text .. '"') end
    return json.encode({ rrset_values = quoted })
  end
end

describe("gandiv5", function()
  it("adds a text to those of the name and takes it away", function()
    local sets = {}
    local known = script("gandiv5", {
      options = { GANDIV5_PERSONAL_ACCESS_TOKEN = "good" }, fetch = api(sets),
    })
    local done = known:perform("present", challenge)
    expect(done.error).to_be_nil()
    expect(done.fetched[1].headers["Authorization"]).to_be("Bearer good")
    expect(sets[path]).to_equal({ rrset_ttl = 300, rrset_values = { "v" } })
    known:perform("present", { fqdn = challenge.fqdn, value = "w" })
    known:perform("present", challenge)
    expect(sets[path].rrset_values).to_equal({ "v", "w" })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(sets[path].rrset_values).to_equal({ "w" })
    known:perform("cleanup", challenge)
    known:perform("cleanup", { fqdn = challenge.fqdn, value = "w" })
    expect(sets[path]).to_be_nil()
  end)

  it("knows the older keys", function()
    local known = script("gandiv5", { options = { GANDIV5_API_KEY = "good" }, fetch = api({}) })
    local done = known:perform("present", challenge)
    expect(done.fetched[1].headers["Authorization"]).to_be("Apikey good")
  end)

  it("tells what is wrong", function()
    expect(function() script("gandiv5", {}) end).to_fail("GANDIV5_PERSONAL_ACCESS_TOKEN is missing")
    local function failure(token, fetch, fqdn)
      local known = script("gandiv5", {
        options = { GANDIV5_PERSONAL_ACCESS_TOKEN = token }, fetch = fetch,
      })
      return known:perform("present", { fqdn = fqdn or challenge.fqdn, value = "v" }).error
    end
    expect(failure("bad", api({}))).to_contain("status 401: bad credentials")
    expect(failure("good", api({}), "_acme-challenge.b.test.")).to_contain("no domain of this")
    local function away() return { failure = "refused" } end
    expect(failure("good", away)).to_contain("GET /domains")
    local function only_domains(raw)
      return raw.url:find("/records/") and { status = 500, body = "oops" } or "{}"
    end
    expect(failure("good", only_domains)).to_contain("status 500: oops")
    local function reads_only(raw)
      if raw.method == "PUT" then return { status = 403, body = "read only" } end
      return raw.url:find("/records/") and 404 or "{}"
    end
    expect(failure("good", reads_only)).to_contain("status 403: read only")
  end)
end)
