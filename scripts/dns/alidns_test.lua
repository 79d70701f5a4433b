-- Tests of alidns, with signatures computed a second time.
local challenge = { fqdn = "_acme-challenge.a.example.com.", value = "v" }
local keys = { ALICLOUD_ACCESS_KEY = "ak", ALICLOUD_SECRET_KEY = "sk" }

local function is_signed(raw, host)
  local id, list, signature = (raw.headers["Authorization"] or ""):match(
    "^ACS3%-HMAC%-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=(%x+)$"
  )
  if id ~= "ak" then return false end
  local query = raw.url:match("^https://[^/]+/%??(.*)$")
  local lines = {}
  for name in list:gmatch("[^;]+") do
    local value = name == "host" and host or raw.headers[name]
    table.insert(lines, name .. ":" .. value .. "\n")
  end
  local content = crypto.sha256(raw.body, "hex")
  local request = table.concat({ raw.method, "/", query, table.concat(lines), list, content }, "\n")
  local text = "ACS3-HMAC-SHA256\n" .. crypto.sha256(request, "hex")
  return raw.headers["x-acs-content-sha256"] == content
    and signature == crypto.hmac("sha256", "sk", text, "hex")
end

-- The API of one region, with domains on two pages.
local function api(records, host)
  return function(raw)
    if not raw.url:find("https://" .. host .. "/", 1, true) then return 404 end
    if not is_signed(raw, host) then
      return {
        status = 400,
        body = '{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched"}',
      }
    end
    local asked = url.parse_query(raw.url:match("%?(.*)$") or "")
    local function value(name)
      local found = asked[name]
      return type(found) == "table" and found[1] or found
    end
    local action = raw.headers["x-acs-action"]
    expect(raw.headers["x-acs-version"]).to_be("2015-01-09")
    if action == "DescribeDomains" then
      local pages = { { DomainName = "other.test" }, { DomainName = "example.com" } }
      local page = pages[tonumber(value("PageNumber"))]
      return json.encode({ TotalCount = 2, Domains = { Domain = { page } } })
    elseif action == "AddDomainRecord" then
      local record = {
        RecordId = tostring(#records + 1), RR = value("RR"), Type = value("Type"),
        Value = value("Value"), TTL = value("TTL"), Line = value("Line"),
        DomainName = value("DomainName"),
      }
      table.insert(records, record)
      return json.encode({ RecordId = record.RecordId })
    elseif action == "DescribeDomainRecords" then
      expect(value("DomainName") .. value("RRKeyWord")).to_be("example.com_acme-challenge.a")
      local found = json.list(table.clone(records))
      return json.encode({ TotalCount = #records, DomainRecords = { Record = found } })
    end
    expect(action).to_be("DeleteDomainRecord")
    for i, record in ipairs(records) do
      if record.RecordId == value("RecordId") then table.remove(records, i) end
    end
    return "{}"
  end
end

describe("alidns", function()
  it("signs requests, sets a record and takes only that away", function()
    local other = { RecordId = "0", RR = "_acme-challenge.a", Type = "TXT", Value = "other" }
    local records = { other }
    local known = script("alidns", {
      options = keys, fetch = api(records, "alidns.cn-hangzhou.aliyuncs.com"),
    })
    local done = known:perform("present", challenge)
    expect(done.error).to_be_nil()
    expect(done.fetched[1].headers["x-acs-date"]).to_match("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
    local nonces = {}
    for _, asked in ipairs(done.fetched) do
      nonces[asked.headers["x-acs-signature-nonce"]] = true
    end
    local count = 0
    for _ in pairs(nonces) do count = count + 1 end
    expect(count).to_be(#done.fetched)
    expect(records[2]).to_equal({
      RecordId = "2", RR = "_acme-challenge.a", Type = "TXT", Value = "v", TTL = "600",
      DomainName = "example.com",
    })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(records).to_equal({ other })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
  end)

  it("knows regions, lines and tokens", function()
    local records, options = {}, table.clone(keys)
    options.ALICLOUD_REGION_ID, options.ALICLOUD_LINE = "ap-southeast-1", "telecom"
    options.ALICLOUD_SECURITY_TOKEN, options.ALICLOUD_TTL = "sts", 60
    local known = script("alidns", {
      options = options, fetch = api(records, "alidns.ap-southeast-1.aliyuncs.com"),
    })
    local done = known:perform("present", challenge)
    expect(done.error).to_be_nil()
    expect(done.fetched[1].headers["x-acs-security-token"]).to_be("sts")
    expect(done.fetched[1].headers["Authorization"]).to_contain(";x-acs-security-token;")
    expect(records[1].Line .. records[1].TTL).to_be("telecom60")
  end)

  it("takes the keys of the machine's role", function()
    local base, records = "http://100.100.100.200/latest", {}
    local fake = api(records, "alidns.cn-hangzhou.aliyuncs.com")
    local answer = '{"AccessKeyId":"ak","AccessKeySecret":"sk","SecurityToken":"t"}'
    local known = script("alidns", {
      options = { ALICLOUD_RAM_ROLE = "dns" },
      fetch = function(raw)
        if raw.url == base .. "/api/token" then return "pass" end
        if raw.url == base .. "/meta-data/ram/security-credentials/dns" then
          expect(raw.headers["X-aliyun-ecs-metadata-token"]).to_be("pass")
          return answer
        end
        return fake(raw)
      end,
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(#records).to_be(1)
    answer = { status = 404, body = "none" }
    local failure = known:perform("present", challenge).error
    expect(failure).to_contain("ALICLOUD_RAM_ROLE: the machine has no keys: status 404")
    answer = { failure = "refused" }
    expect(known:perform("present", challenge).error).to_contain("ALICLOUD_RAM_ROLE: ")
  end)

  it("tells what is wrong", function()
    expect(function() script("alidns", {}) end).to_fail("ALICLOUD_SECRET_KEY are missing")
    local host = "alidns.cn-hangzhou.aliyuncs.com"
    local function failure(secret, fetch, fqdn)
      local options = { ALICLOUD_ACCESS_KEY = "ak", ALICLOUD_SECRET_KEY = secret }
      local known = script("alidns", { options = options, fetch = fetch })
      return known:perform("present", { fqdn = fqdn or challenge.fqdn, value = "v" }).error
    end
    expect(failure("wrong", api({}, host))).to_contain("400: SignatureDoesNotMatch: Specified")
    expect(failure("sk", api({}, host), "_acme-challenge.b.test.")).to_contain("no domain of this")
    local function away() return { failure = "refused" } end
    expect(failure("sk", away)).to_contain("DescribeDomains")
  end)
end)
