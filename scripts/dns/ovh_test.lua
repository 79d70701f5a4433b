-- Tests of ovh.
local challenge = { fqdn = "_acme-challenge.a.example.com.", value = "v" }
local keys = {
  OVH_APPLICATION_KEY = "ak", OVH_APPLICATION_SECRET = "as", OVH_CONSUMER_KEY = "ck",
}
-- The API's clock is ahead of ours.
local ahead = 100

-- The API at an address with one zone; requests must be allowed by `check`.
local function api(at, records, check)
  local zone = "/domain/zone/example.com"
  return function(raw)
    local path = raw.url:sub(#at + 1)
    if path == "/auth/time" then return tostring(math.floor(now()) + ahead) end
    if not check(raw) then return { status = 400, body = '{"message":"Invalid signature"}' } end
    if raw.method == "POST" and path == zone .. "/record" then
      local record = json.decode(raw.body)
      table.insert(records, record)
      return json.encode({ id = #records })
    end
    if raw.method == "POST" and path == zone .. "/refresh" then
      records.refreshed = (records.refreshed or 0) + 1
      return 200
    end
    if path == zone .. "/record?fieldType=TXT&subDomain=_acme-challenge.a" then
      local ids = json.list({})
      for id in ipairs(records) do table.insert(ids, id) end
      return json.encode(ids)
    end
    local id = tonumber(path:match("^" .. zone:gsub("%.", "%%.") .. "/record/(%d+)$") or "")
    if raw.method == "GET" and id then return json.encode(records[id]) end
    if raw.method == "DELETE" and id then
      table.remove(records, id)
      return "null"
    end
    return { status = 403, body = '{"message":"This call has not been granted"}' }
  end
end

local function signed(raw)
  local stamp = raw.headers["X-Ovh-Timestamp"]
  local text = table.concat({ "as", "ck", raw.method, raw.url, raw.body, stamp }, "+")
  return raw.headers["X-Ovh-Application"] == "ak" and raw.headers["X-Ovh-Consumer"] == "ck"
    and raw.headers["X-Ovh-Signature"] == "$1$" .. crypto.sha1(text, "hex")
    and tonumber(stamp) == math.floor(now()) + ahead
end

describe("ovh", function()
  it("signs requests, sets a record and takes only that away", function()
    local records = { { target = '"other"' } }
    local at = "https://eu.api.ovh.com/1.0"
    local fake, asked_for = api(at, records, signed), {}
    local known = script("ovh", {
      options = keys,
      fetch = function(raw)
        table.insert(asked_for, raw.method)
        return fake(raw)
      end,
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(records[2]).to_equal({
      fieldType = "TXT", subDomain = "_acme-challenge.a", target = "v", ttl = 120,
    })
    expect(records.refreshed).to_be(1)
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(#records).to_be(1)
    expect(records.refreshed).to_be(2)
    -- But for the time, nothing was looked at: not all keys may.
    local looks = 0
    for _, method in ipairs(asked_for) do looks = looks + (method == "GET" and 1 or 0) end
    expect(looks).to_be(2)
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(records.refreshed).to_be(2)
  end)

  it("takes away what another process has set", function()
    local records = { { target = '"other"' }, { target = '"v"' } }
    local at = "https://eu.api.ovh.com/1.0"
    local known = script("ovh", { options = keys, fetch = api(at, records, signed) })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(#records).to_be(1)
    local elsewhere = { fqdn = "_acme-challenge.b.test.", value = "v" }
    expect(known:perform("cleanup", elsewhere).error).to_contain("may look at holds")
  end)

  it("knows tokens and clients of OAuth 2", function()
    local function bearer(raw) return raw.headers["Authorization"] == "Bearer t" end
    local records = {}
    local at = "https://ca.api.ovh.com/1.0"
    local known = script("ovh", {
      options = { OVH_ENDPOINT = "ovh-ca", OVH_ACCESS_TOKEN = "t" },
      fetch = api(at, records, bearer),
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    local rest = api(at, records, bearer)
    local client = { OVH_ENDPOINT = "ovh-ca", OVH_CLIENT_ID = "i", OVH_CLIENT_SECRET = "s&" }
    local body = "grant_type=client_credentials&scope=all&client_id=i&client_secret=s%26"
    local function giving(answer)
      return function(raw)
        if raw.url ~= "https://ca.ovh.com/auth/oauth2/token" then return rest(raw) end
        expect(raw.body).to_be(body)
        return answer
      end
    end
    known = script("ovh", { options = client, fetch = giving('{"access_token":"t"}') })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(#records).to_be(2)
    known = script("ovh", { options = client, fetch = giving({ status = 401, body = "no" }) })
    expect(known:perform("present", challenge).error).to_contain("oauth2/token: status 401: no")
  end)

  it("tells what is wrong", function()
    local function opening(options) return function() script("ovh", { options = options }) end end
    expect(opening({})).to_fail("OVH_CONSUMER_KEY are missing, or OVH_CLIENT_ID")
    expect(opening({ OVH_ACCESS_TOKEN = "t", OVH_ENDPOINT = "ovh-mars" })).to_fail("no ovh-mars")
    local both = { OVH_CLIENT_ID = "i", OVH_APPLICATION_KEY = "k" }
    expect(opening(both)).to_fail("exclude each other")
    expect(opening({
      OVH_CLIENT_ID = "i", OVH_CLIENT_SECRET = "s", OVH_ENDPOINT = "kimsufi-eu",
    })).to_fail("kimsufi-eu has no clients")
    local function failure(fetch, fqdn)
      local known = script("ovh", { options = keys, fetch = fetch })
      return known:perform("present", { fqdn = fqdn or challenge.fqdn, value = "v" }).error
    end
    local at = "https://eu.api.ovh.com/1.0"
    local fake = api(at, {}, signed)
    local elsewhere = failure(fake, "_acme-challenge.b.test.")
    expect(elsewhere).to_contain("no zone that these keys may change")
    local never = api(at, {}, function() return false end)
    expect(failure(never)).to_contain("status 400: Invalid signature")
    expect(failure(function() return { failure = "refused" } end)).to_contain("/auth/time: ")
    expect(failure(function() return 503 end)).to_contain("/auth/time: status 503")
    local function reads_only(raw)
      if raw.method == "POST" then return { status = 403, body = '{"message":"no right"}' } end
      return fake(raw)
    end
    expect(failure(reads_only)).to_contain("status 403: no right")
    local function broken(raw)
      return raw.url:find("/auth/time", 1, true) and fake(raw) or { status = 500, body = "x" }
    end
    expect(failure(broken)).to_contain("status 500: x")
    local known = script("ovh", { options = keys, fetch = broken })
    expect(known:perform("cleanup", challenge).error).to_contain("status 500: x")
  end)
end)
