-- Tests of hetzner.
local challenge = { fqdn = "_acme-challenge.a.example.com.", value = "v" }

describe("hetzner", function()
  it("changes a set of the cloud and waits until it is done", function()
    local changes, polls = {}, 0
    local known = script("hetzner", {
      options = { HETZNER_API_TOKEN = "t" },
      fetch = function(raw)
        local path = raw.url:match("^https://api%.hetzner%.cloud/v1(.*)$")
        expect(raw.headers["Authorization"]).to_be("Bearer t")
        if path == "/zones?name=example.com" then return '{"zones":[{"id":42}]}' end
        if path:find("^/zones%?") then return '{"zones":[]}' end
        if raw.method == "POST" then
          table.insert(changes, { path = path, body = json.decode(raw.body) })
          return { status = 201, body = '{"action":{"id":7,"status":"running"}}' }
        end
        expect(path).to_be("/actions/7")
        polls = polls + 1
        local status = polls < 3 and "running" or "success"
        return json.encode({ action = { id = 7, status = status } })
      end,
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(polls).to_be(3)
    local set = "/zones/42/rrsets/_acme-challenge.a/TXT/actions/"
    local records = { { value = '"v"' } }
    local added = { records = records, ttl = 60 }
    expect(changes[1]).to_equal({ path = set .. "add_records", body = added })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(changes[2]).to_equal({ path = set .. "remove_records", body = { records = records } })
  end)

  local function cloud(answer)
    local known = script("hetzner", {
      options = { HETZNER_API_TOKEN = "t", HETZNER_PROPAGATION_TIMEOUT = 10 },
      fetch = function(raw)
        if raw.url:find("/zones%?") then return '{"zones":[{"id":42}]}' end
        return answer(raw)
      end,
    })
    return known
  end

  it("tells of changes that fail or take too long", function()
    local failed = '{"action":{"id":1,"status":"error","error":{"message":"locked"}}}'
    local known = cloud(function() return failed end)
    expect(known:perform("present", challenge).error).to_contain("the change failed: locked")
    known = cloud(function() return '{"action":{"id":1,"status":"running"}}' end)
    expect(known:perform("present", challenge).error).to_contain("not done in time")
    local refused = { status = 403, body = '{"error":{"message":"read only"}}' }
    known = cloud(function() return refused end)
    expect(known:perform("present", challenge).error).to_contain("403: read only")
    known = cloud(function() return 404 end)
    expect(known:perform("cleanup", challenge).error).to_be_nil()
  end)

  it("knows the former console", function()
    local records = { { id = "r0", type = "TXT", name = "_acme-challenge.a", value = '"other"' } }
    local known = script("hetzner", {
      options = { HETZNER_API_KEY = "k", HETZNER_TTL = 300 },
      fetch = function(raw)
        local path = raw.url:match("^https://dns%.hetzner%.com/api/v1(.*)$")
        expect(raw.headers["Auth-API-Token"]).to_be("k")
        if path == "/zones?name=example.com" then return '{"zones":[{"id":"z"}]}' end
        if path:find("^/zones%?") then return { status = 404, body = '{"zones":[]}' } end
        if raw.method == "POST" and path == "/records" then
          local record = json.decode(raw.body)
          record.id = "r" .. #records
          table.insert(records, record)
          return json.encode({ record = record })
        end
        if path == "/records?zone_id=z" then
          return json.encode({ records = table.clone(records) })
        end
        local id = raw.method == "DELETE" and path:match("^/records/(.+)$")
        for i, record in ipairs(records) do
          if record.id == id then table.remove(records, i) end
        end
        return 200
      end,
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(records[2]).to_equal({
      id = "r1", type = "TXT", name = "_acme-challenge.a", value = "v", ttl = 300, zone_id = "z",
    })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(#records).to_be(1)
  end)

  it("tells what is wrong", function()
    expect(function() script("hetzner", {}) end).to_fail("HETZNER_API_TOKEN is missing")
    local function failure(answer)
      local known = script("hetzner", {
        options = { HETZNER_API_TOKEN = "t" }, fetch = function() return answer end,
      })
      return known:perform("present", challenge).error
    end
    expect(failure('{"zones":[]}')).to_contain("no zone of this account")
    expect(failure({ status = 401, body = '{"error":{"message":"unauthorized"}}' }))
      .to_contain("401: unauthorized")
    expect(failure({ failure = "refused" })).to_contain("GET https://api.hetzner.cloud/v1/zones")
  end)
end)
