-- Tests of route53: the API's answers as it writes them, and signatures computed a second time.
local name = "_acme-challenge.a.example.com."
local challenge = { fqdn = name, value = "v" }
local keys = { AWS_ACCESS_KEY_ID = "AKID", AWS_SECRET_ACCESS_KEY = "secret" }
local dns_host, year = "https://route53.amazonaws.com", "/2013-04-01"

local function merged(more)
  local options = table.clone(keys)
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

-- Whether a request is signed with a secret, as the recipient computes it.
local function is_signed(raw, secret, region, service)
  local scope, list, signature = (raw.headers["Authorization"] or ""):match(
    "^AWS4%-HMAC%-SHA256 Credential=[^/]+/(%S+), SignedHeaders=(%S+), Signature=(%x+)$"
  )
  local stamp = raw.headers["X-Amz-Date"]
  local wanted = stamp and stamp:sub(1, 8) .. "/" .. region .. "/" .. service .. "/aws4_request"
  if not scope or scope ~= wanted then return false end
  local path, query = raw.url:match("^https://[^/]+([^?]*)%??(.*)$")
  local lines = {}
  for header in list:gmatch("[^;]+") do
    local value = header == "host" and raw.url:match("^https://([^/]+)") or raw.headers[header]
    table.insert(lines, header .. ":" .. value .. "\n")
  end
  local request = raw.method .. "\n" .. path .. "\n" .. query .. "\n" .. table.concat(lines) .. "\n"
    .. list .. "\n" .. crypto.sha256(raw.body, "hex")
  local digest = crypto.sha256(request, "hex")
  local text = table.concat({ "AWS4-HMAC-SHA256", stamp, scope, digest }, "\n")
  local key = "AWS4" .. secret
  for part in scope:gmatch("[^/]+") do key = crypto.hmac("sha256", key, part) end
  return signature == crypto.hmac("sha256", key, text, "hex")
end

local function refusal(status, code, message)
  return {
    status = status,
    body = "<ErrorResponse><Error><Type>Sender</Type><Code>" .. code .. "</Code><Message>"
      .. message .. "</Message></Error></ErrorResponse>",
  }
end

-- Route 53 with a public and a private zone example.com; `state.values` are the name's texts.
local function api(state)
  state.values, state.pending = state.values or {}, state.pending or 0
  return function(raw)
    if not is_signed(raw, state.secret or "secret", "us-east-1", "route53") then
      return refusal(403, "SignatureDoesNotMatch", "The request signature does not match")
    end
    local path = raw.url:sub(#dns_host + #year + 1)
    local asked = path:match("^/hostedzonesbyname%?dnsname=(.+)$")
    if asked then
      -- Zones from that name on, as the API sorts them.
      local function zone(id, private)
        return "<HostedZone><Id>/hostedzone/" .. id .. "</Id><Name>example.com.</Name>"
          .. "<Config><PrivateZone>" .. private .. "</PrivateZone></Config></HostedZone>"
      end
      return '<?xml version="1.0"?><ListHostedZonesByNameResponse xmlns="https://x/"><HostedZones>'
        .. zone("ZPRIVATE", "true") .. zone("ZPUBLIC", "false")
        .. "</HostedZones></ListHostedZonesByNameResponse>"
    end
    local zone, rest = path:match("^/hostedzone/(%w+)/rrset(.*)$")
    if zone and raw.method == "GET" then
      expect(rest).to_be("?maxitems=1&name=" .. url.encode(name) .. "&type=TXT")
      local values = {}
      for _, value in ipairs(state.values) do
        local written = "<Value>" .. xml.escape(value) .. "</Value>"
        table.insert(values, "<ResourceRecord>" .. written .. "</ResourceRecord>")
      end
      local set = values[1] and "<ResourceRecordSet><Name>" .. name .. "</Name><Type>TXT</Type>"
        .. "<TTL>77</TTL><ResourceRecords>" .. table.concat(values)
        .. "</ResourceRecords></ResourceRecordSet>" or "<ResourceRecordSet><Name>z.</Name>"
        .. "<Type>TXT</Type></ResourceRecordSet>"
      return "<ListResourceRecordSetsResponse><ResourceRecordSets>" .. set
        .. "</ResourceRecordSets></ListResourceRecordSetsResponse>"
    end
    if zone and raw.method == "POST" then
      local root = xml.decode(raw.body)
      local change = root[1][1][1]
      local set = change[2]
      state.zone, state.action, state.ttl = zone, change[1].text, set[3].text
      expect(set[1].text).to_be(name)
      state.values = {}
      for _, record in ipairs(set[4]) do table.insert(state.values, record[1].text) end
      if state.action == "DELETE" then state.values = {} end
      return "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id>"
        .. "<Status>PENDING</Status></ChangeInfo></ChangeResourceRecordSetsResponse>"
    end
    expect(path).to_be("/change/C1")
    state.pending = state.pending - 1
    local status = state.pending > 0 and "PENDING" or "INSYNC"
    return "<GetChangeResponse><ChangeInfo><Id>/change/C1</Id><Status>" .. status
      .. "</Status></ChangeInfo></GetChangeResponse>"
  end
end

local function known(state, options, more)
  local fetch = api(state)
  return script("route53", {
    options = options,
    files = more and more.files,
    fetch = function(raw)
      local own = more and more.fetch and more.fetch(raw)
      return own or fetch(raw)
    end,
  })
end

describe("route53 signatures", function()
  it("are those of Amazon's own example", function()
    -- "Examples of the complete Signature Version 4 signing process" for IAM's ListUsers.
    local secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    local key = "AWS4" .. secret
    for _, part in ipairs({ "20150830", "us-east-1", "iam", "aws4_request" }) do
      key = crypto.hmac("sha256", key, part)
    end
    expect(hex.encode(key))
      .to_be("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9")
  end)
end)

describe("route53", function()
  it("adds a text to those of the name, waits, and takes only that away", function()
    local state = { values = { '"other"' }, pending = 3 }
    local amazon = known(state, keys)
    expect(amazon:perform("present", challenge).error).to_be_nil()
    expect(state.values).to_equal({ '"other"', '"v"' })
    expect(state.zone .. state.action .. state.ttl).to_be("ZPUBLICUPSERT10")
    expect(state.pending).to_be(0)
    expect(amazon:perform("present", challenge).error).to_be_nil()
    expect(#state.values).to_be(2)
    expect(amazon:perform("cleanup", challenge).error).to_be_nil()
    expect(state.values).to_equal({ '"other"' })
    expect(amazon:perform("cleanup", challenge).error).to_be_nil()
    expect(amazon:perform("cleanup", { fqdn = name, value = "other" }).error).to_be_nil()
    expect(state.action .. state.ttl).to_be("DELETE77")
  end)

  it("knows private zones, a zone by its id, and regions of other clouds", function()
    local state = {}
    expect(known(state, merged({ AWS_PRIVATE_ZONE = true })):perform("present", challenge).error)
      .to_be_nil()
    expect(state.zone).to_be("ZPRIVATE")
    local amazon = known(state, merged({
      AWS_HOSTED_ZONE_ID = "ZMINE", AWS_WAIT_FOR_RECORD_SETS_CHANGED = false,
    }))
    expect(amazon:perform("present", challenge).error).to_be_nil()
    expect(state.zone).to_be("ZMINE")
    for region, host in pairs({
      ["cn-north-1"] = "route53.amazonaws.com.cn",
      ["us-gov-east-1"] = "route53.us-gov.amazonaws.com",
    }) do
      local there = known({}, merged({ AWS_REGION = region }), {
        fetch = function(raw)
          return raw.url:find("https://" .. host .. "/", 1, true) and refusal(403, "Here", host)
        end,
      })
      expect(there:perform("present", challenge).error).to_contain("Here " .. host)
    end
  end)

  it("finds keys in a file, by a profile", function()
    local file = "[default]\naws_access_key_id = x\naws_secret_access_key=y\n\n"
      .. "[mine]\naws_access_key_id=AKID\naws_secret_access_key = secret\naws_session_token = t\n"
    local state = {}
    local amazon = known(state, { HOME = "/home/a", AWS_PROFILE = "mine" }, {
      files = { ["/home/a/.aws/credentials"] = file },
    })
    local done = amazon:perform("present", challenge)
    expect(done.error).to_be_nil()
    expect(done.fetched[1].headers["X-Amz-Security-Token"]).to_be("t")
    amazon = known({}, { AWS_SHARED_CREDENTIALS_FILE = "/none" }, { files = {} })
    expect(amazon:perform("present", challenge).error).to_contain("AWS_SHARED_CREDENTIALS_FILE: ")
  end)

  local function granted(wanted)
    local credentials = "<Credentials><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>secret"
      .. "</SecretAccessKey><SessionToken>t</SessionToken></Credentials>"
    return function(raw)
      if not raw.url:find("^https://sts%.eu%-west%-1%.amazonaws%.com/") then return nil end
      expect(raw.body).to_be(wanted)
      return "<R><Result>" .. credentials .. "</Result></R>"
    end
  end

  it("takes a role by a web identity, and a role with keys", function()
    local web = known({}, {
      AWS_WEB_IDENTITY_TOKEN_FILE = "/token", AWS_ROLE_ARN = "arn:aws:iam::1:role/r",
      AWS_REGION = "eu-west-1",
    }, {
      files = { ["/token"] = "a.b.c" },
      fetch = granted("Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
        .. "&RoleSessionName=moongate&Version=2011-06-15&WebIdentityToken=a.b.c"),
    })
    expect(web:perform("present", challenge).error).to_be_nil()
    local role = known({}, merged({
      AWS_ASSUME_ROLE_ARN = "arn:r", AWS_EXTERNAL_ID = "e", AWS_REGION = "eu-west-1",
      AWS_SECRET_ACCESS_KEY = "first",
    }), {
      fetch = function(raw)
        local answer = granted("Action=AssumeRole&ExternalId=e&RoleArn=arn%3Ar"
          .. "&RoleSessionName=moongate&Version=2011-06-15")(raw)
        if answer then expect(is_signed(raw, "first", "eu-west-1", "sts")).to_be_true() end
        return answer
      end,
    })
    expect(role:perform("present", challenge).error).to_be_nil()
    local identity = { AWS_WEB_IDENTITY_TOKEN_FILE = "/x", AWS_ROLE_ARN = "r" }
    local lost = known({}, identity, { files = {} })
    expect(lost:perform("present", challenge).error).to_contain("AWS_WEB_IDENTITY_TOKEN_FILE: ")
  end)

  it("asks the container or the machine for keys", function()
    local body = json.encode({ AccessKeyId = "AKID", SecretAccessKey = "secret", Token = "t" })
    local function done(options, answers)
      local amazon = known({}, options, {
        files = {},
        fetch = function(raw)
          local answer = answers[raw.method .. " " .. raw.url]
          return type(answer) == "function" and answer(raw) or answer
        end,
      })
      return amazon:perform("present", challenge).error
    end
    local full = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.23/v1/credentials",
      AWS_CONTAINER_AUTHORIZATION_TOKEN = "pod",
    }
    expect(done(full, {
      ["GET http://169.254.170.23/v1/credentials"] = function(raw)
        return raw.headers["Authorization"] == "pod" and body or 401
      end,
    })).to_be_nil()
    expect(done({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/v2/x" }, {
      ["GET http://169.254.170.2/v2/x"] = body,
    })).to_be_nil()
    local base = "http://169.254.169.254/latest"
    local place = "GET " .. base .. "/meta-data/iam/security-credentials/"
    local machine_answers = {
      ["PUT " .. base .. "/api/token"] = "session",
      [place] = "role-a\n",
      [place .. "role-a"] = function(raw)
        return raw.headers["X-aws-ec2-metadata-token"] == "session" and body or 401
      end,
    }
    expect(done({}, machine_answers)).to_be_nil()
    machine_answers[place] = 404
    expect(done({}, machine_answers)).to_contain("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are")
    expect(done({ AWS_EC2_METADATA_DISABLED = true }, {})).to_contain("nothing else has keys")
  end)

  it("sends again what it may, and tells the rest", function()
    local state, left = {}, 3
    local amazon = known(state, keys, {
      fetch = function()
        left = left - 1
        if left == 2 then return refusal(400, "Throttling", "Rate exceeded") end
        if left == 1 then return { failure = "refused" } end
        if left == 0 then return 503 end
      end,
    })
    expect(amazon:perform("present", challenge).error).to_be_nil()
    local function failure(options, changed, with)
      return known(with or {}, options):perform("present", changed or challenge).error
    end
    expect(failure(merged({ AWS_SECRET_ACCESS_KEY = "x" }))).to_contain("SignatureDoesNotMatch")
    expect(failure(keys, { fqdn = "_acme-challenge.b.test.", value = "v" }))
      .to_contain("no hosted zone of this account")
    expect(failure(merged({ AWS_PROPAGATION_TIMEOUT = 5 }), challenge, { pending = 100 }))
      .to_contain("C1 is not in sync in time")
    local down = known({}, merged({ AWS_MAX_RETRIES = 2 }), { fetch = function() return 500 end })
    expect(down:perform("present", challenge).error).to_contain("status 500")
    expect(function() script("route53", { options = { AWS_ACCESS_KEY_ID = "x" } }) end)
      .to_fail("belong together")
    expect(function() script("route53", { options = { AWS_WEB_IDENTITY_TOKEN_FILE = "x" } }) end)
      .to_fail("AWS_ROLE_ARN is missing")
  end)
end)
