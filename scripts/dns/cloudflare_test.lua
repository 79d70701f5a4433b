-- Tests of cloudflare.
local base = "https://api.cloudflare.com/client/v4"
local challenge = {
  domain = "a.example.com", fqdn = "_acme-challenge.a.example.com.", value = "v-1",
}

-- The API with one zone, example.com.
local function api(records)
  return function(raw)
    local path = raw.url:sub(#base + 1)
    local function say(result, failure)
      return { body = json.encode({ success = failure == nil, result = result,
        errors = json.list(failure and { failure } or {}) }), status = failure and 400 or 200 }
    end
    if path == "/zones?name=example.com" then return say({ { id = "z1" } }) end
    if path:find("^/zones%?name=") then return say(json.list({})) end
    if raw.method == "POST" and path == "/zones/z1/dns_records" then
      local record = json.decode(raw.body)
      for _, known in ipairs(records) do
        if known.content == record.content then
          return say(nil, { code = 81058, message = "An identical record already exists." })
        end
      end
      if record.content:find("refused") then
        return say(nil, { code = 9000, message = "no room" })
      end
      record.id = "r" .. (#records + 1)
      table.insert(records, record)
      return say(record)
    end
    if raw.method == "GET" and path:find("^/zones/z1/dns_records%?") then
      return say(json.list(table.clone(records)))
    end
    local id = path:match("^/zones/z1/dns_records/(.+)$")
    if raw.method == "DELETE" and id then
      for i, record in ipairs(records) do
        if record.id == id then table.remove(records, i) end
      end
      return say({ id = id })
    end
    return { status = 502, body = "down" }
  end
end

describe("cloudflare", function()
  it("sets a record and takes only that away", function()
    local other = { id = "r0", type = "TXT", content = '"other"' }
    local records = { other }
    local known = script("cloudflare", {
      options = { CF_DNS_API_TOKEN = "t-dns", CF_ZONE_API_TOKEN = "t-zone" }, fetch = api(records),
    })
    local done = known:perform("present", challenge)
    expect(done.error).to_be_nil()
    expect(records[2].name).to_be("_acme-challenge.a.example.com")
    expect(records[2].content).to_be('"v-1"')
    expect(records[2].ttl).to_be(120)
    expect(#done.fetched).to_be(4)
    expect(done.fetched[1].headers["Authorization"]).to_be("Bearer t-zone")
    expect(done.fetched[4].headers["Authorization"]).to_be("Bearer t-dns")
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(#records).to_be(2)
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(records).to_equal({ other })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
  end)

  it("knows the account's key", function()
    local known = script("cloudflare", {
      options = { CF_API_EMAIL = "a@example.com", CF_API_KEY = "k", CLOUDFLARE_TTL = 300 },
      fetch = api({}),
    })
    local done = known:perform("present", challenge)
    expect(done.error).to_be_nil()
    expect(done.fetched[1].headers["X-Auth-Email"]).to_be("a@example.com")
    expect(done.fetched[1].headers["X-Auth-Key"]).to_be("k")
    expect(json.decode(done.fetched[4].body).ttl).to_be(300)
  end)

  it("tells what is wrong", function()
    expect(function() script("cloudflare", {}) end).to_fail("CF_DNS_API_TOKEN is missing")
    local function failure(fetch, changed)
      local known = script("cloudflare", {
        options = { CF_DNS_API_TOKEN = "t" }, fetch = fetch,
      })
      return known:perform("present", changed or challenge).error
    end
    local elsewhere = { domain = "b.test", fqdn = "_acme-challenge.b.test.", value = "v" }
    expect(failure(api({}), elsewhere)).to_contain("no zone of this account holds")
    expect(failure({ [base .. "/*"] = { status = 502, body = "down" } })).to_contain("502")
    expect(failure({ [base .. "/*"] = { failure = "refused" } })).to_contain("/zones?name=")
    local denied = { success = false, errors = { { code = 10000, message = "denied" } } }
    expect(failure({ [base .. "/*"] = { status = 403, body = json.encode(denied) } }))
      .to_contain("denied (10000)")
    expect(failure(api({}), {
      domain = "example.com", fqdn = "_acme-challenge.example.com.", value = "refused",
    })).to_contain("no room (9000)")
  end)
end)
