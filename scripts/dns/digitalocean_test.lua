-- Tests of digitalocean.
local challenge = { fqdn = "_acme-challenge.a.example.com.", value = "v" }

local function api(records)
  return function(raw)
    local path = raw.url:match("^https://api%.digitalocean%.com(.*)$")
    if raw.headers["Authorization"] ~= "Bearer t" then
      return { status = 401, body = '{"message":"Unable to authenticate you"}' }
    end
    if raw.method == "POST" and path == "/v2/domains/example.com/records" then
      local record = json.decode(raw.body)
      record.id = 3352892 + #records
      table.insert(records, record)
      return { status = 201, body = json.encode({ domain_record = record }) }
    end
    local named = "/records?type=TXT&per_page=200&name=_acme-challenge.a.example.com"
    if path == "/v2/domains/example.com" .. named then
      return json.encode({ domain_records = json.list(table.clone(records)) })
    end
    local id = path:match("^/v2/domains/example%.com/records/(%d+)$")
    if raw.method == "DELETE" and id then
      for i, record in ipairs(records) do
        if record.id == tonumber(id) then table.remove(records, i) end
      end
      return 204
    end
    return { status = 404, body = '{"message":"not found"}' }
  end
end

describe("digitalocean", function()
  it("sets a record and takes only that away", function()
    local other = { id = 1, data = "other" }
    local records = { other }
    local known = script("digitalocean", {
      options = { DO_AUTH_TOKEN = "t" }, fetch = api(records),
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(records[2]).to_equal({
      id = 3352893, type = "TXT", name = "_acme-challenge.a", data = "v", ttl = 30,
    })
    local done = known:perform("cleanup", challenge)
    expect(done.error).to_be_nil()
    expect(records).to_equal({ other })
    -- Not all tokens may look at records.
    expect(#done.fetched).to_be(1)
    expect(known:perform("cleanup", challenge).error).to_be_nil()
  end)

  it("takes away what another process has set", function()
    local records = { { id = 1, data = "other" }, { id = 2, data = "v" } }
    local known = script("digitalocean", {
      options = { DO_AUTH_TOKEN = "t" }, fetch = api(records),
    })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(#records).to_be(1)
  end)

  it("tells what is wrong", function()
    local function failure(token, fetch, fqdn)
      local known = script("digitalocean", { options = { DO_AUTH_TOKEN = token }, fetch = fetch })
      return known:perform("present", { fqdn = fqdn or challenge.fqdn, value = "v" }).error
    end
    expect(failure("x", api({}))).to_contain("status 401: Unable to authenticate you")
    expect(failure("t", api({}), "_acme-challenge.b.test.")).to_contain("no domain of this account")
    local function away() return { failure = "refused" } end
    expect(failure("t", away)).to_contain("POST /v2/domains")
    expect(function() script("digitalocean", {}) end).to_fail("DO_AUTH_TOKEN: is required")
  end)
end)
