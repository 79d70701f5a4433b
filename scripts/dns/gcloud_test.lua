-- Tests of gcloud. The key is made for them and opens nothing.
local private_key = [[
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDbxPnWddEZ6UNT
vSxisv/Lf3eipLf+VlSOfShKuESttSApob/Xtz14IN1xSzImyRxEUvKQ5Eqq73FR
9jF7WmwHFGe4qcyESmw40rxIanhzwgNOz3rgaBDbScZly+c1PacJPDbZTlPTLWCS
xUYJ/YNqhVDemeKuwB7QaGkyhrGlS9Mq+VoKOXVPRAWcZxSYP51zUtlxM9z4hlUF
ESOKkEHwnTlJY5s+VIqQ68n/JK/ErCowx/8FzuE9RabUe7tkdigc+RXpstpUPO2J
Egbc5APXv8tQIX0pRqOxPtv6gk5cKBjBLm99WiAGIUjxCnd6qHTIEKqqXEEWC/Iz
U+G8qzzzAgMBAAECggEABu+6JPs1/NfgcKGtZ3YX3b/psj/5sLTf2Vl47pbPUB5B
5B5/VBsr/QEojB1f+VpqonttvYX/F1MUZA5dtHN/ql+KAImXc2t36/k2ySBXKewr
N48T5UZTleBHu0nKw+LsxT1Zy9UNj0JE5I0Gb2VJgxCvIz9/KJ3WuyQ4gcg/jiR+
Dd5q9yqAFx1EFF/+KMttEySsz1B5xNhjbjjYY9bT/qo1BKBUdYM5v/2CFXbAfxeb
KBSybh6eFAF18jp9eQ1HgKkioAcNpKSpmbG8MlMDGdygeizyJPeeVgFGEc1mZW7X
IEvZJsxhyugbcl8ps+kL7gan857uFtIhcq6Q4sdNyQKBgQDwLlDpjC4Ykctbsmb8
4vNSe+0/qOQkTMK/r5h7YtTbGvS5TCyZnR5xvyaQKzbpzDRP5e7+1VAwugVcYGfe
FSDQtr7i+bSHBFemm3O9XAEYg+AfJj+ZZSF/MlomhqzEGI6JSaQlp0VJQq0+R4JN
VwGYiJ/SkwfzeNOKaFfF3t+eKQKBgQDqPoCb3DsaNEzEMiToRaelDlLbULkIJdW9
+crCLyF2nXIVkztzgm8OdWmiKXfVdcOAewJGE0gGQ5I6CBqVpaAl9tNBlUEipk4S
mE4qTuxFwDLMTdgyXYO4b9fEO4bNrDXs48XDGqQUy0M8arWjOwMFNCr70udt4n/Y
IR7wcgmtuwKBgAK3M1kAqcDDXT5DLSDs2/1xw0P1/+ZdK9KJBLtYabm0e1HhB5wR
B7gXhjMZGfzYvzqsCeC9vrNeVxMtT99V89IITu44Do98QBV1KoDYmnaRfyY7A3sT
hqZuhlBrM2bgNDRfLcjzNDhY1aafnlyLgEweN1hlKzDYi+PDvEJTe8nJAoGBAJKC
23AhFHp0YduJPZpmDtBnIB365HCbMZBsj4xbbEPDgJrMBzBdUdcqSxLZexFxYgGX
brmjz7XTR7+yV+ZnvL5iHopzr1TbzhNFXgaKbK/H4j31JpeB9CRFGCCt1sgHwYbU
hFpe7GfxJrHAULGy9FWp5oSxynzpYWsudCqSOUmHAoGAeHbrwQjM+vlYXwMywaux
VW9hdTK4iEyMEtD3NYijKAPRTvecym7AEc2YN3tCKW9CmEgRwz1nopPDUZjDD7rT
F/+jRBE933uIrh38HHz9EW0/3AotTeEcd9GaHRyuM5Nk8RaITx4WVJpVGKCxgmJt
rYTPqN5lHgr3ybEt5BKPNU8=
-----END PRIVATE KEY-----
]]
local public_key = [[
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA28T51nXRGelDU70sYrL/
y393oqS3/lZUjn0oSrhErbUgKaG/17c9eCDdcUsyJskcRFLykORKqu9xUfYxe1ps
BxRnuKnMhEpsONK8SGp4c8IDTs964GgQ20nGZcvnNT2nCTw22U5T0y1gksVGCf2D
aoVQ3pnirsAe0GhpMoaxpUvTKvlaCjl1T0QFnGcUmD+dc1LZcTPc+IZVBREjipBB
8J05SWObPlSKkOvJ/ySvxKwqMMf/Bc7hPUWm1Hu7ZHYoHPkV6bLaVDztiRIG3OQD
17/LUCF9KUajsT7b+oJOXCgYwS5vfVogBiFI8Qp3eqh0yBCqqlxBFgvyM1PhvKs8
8wIDAQAB
-----END PUBLIC KEY-----
]]

local challenge = { fqdn = "_acme-challenge.a.example.com.", value = "v" }
local account = json.encode({
  type = "service_account", project_id = "p1", private_key_id = "k1", private_key = private_key,
  client_email = "dns@p1.iam.gserviceaccount.com",
  token_uri = "https://oauth2.googleapis.com/token",
})
local at = "https://dns.googleapis.com/dns/v1/projects/p1"

-- The claims of an assertion, if it is signed with the key.
local function claims_of(body)
  local assertion = body:match("^assertion=(%S+)&grant_type="
    .. "urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant%-type%%3Ajwt%-bearer$")
  if not assertion then return nil end
  local keys = jwt.keys(public_key)
  return (keys:verify(assertion, { "RS256" }))
end

-- The API with a public zone and a private one; `state.sets` are the texts by name.
local function api(state)
  state.sets = state.sets or {}
  return function(raw)
    if raw.url == "https://oauth2.googleapis.com/token" then return state.tokens(raw) end
    if state.other then
      local answer = state.other(raw)
      if answer then return answer end
    end
    if raw.headers["Authorization"] ~= "Bearer " .. (state.token or "t") then
      return { status = 401, body = '{"error":{"message":"Request is unauthenticated"}}' }
    end
    local path = raw.url:sub(#at + 1)
    if path == "/managedZones?dnsName=example.com." then
      return json.encode({ managedZones = {
        { name = "inside", visibility = "private" }, { name = "outside", visibility = "public" },
      } })
    end
    if path:find("^/managedZones%?dnsName=") then return "{}" end
    local zone, rest = path:match("^/managedZones/(%w+)(.*)$")
    state.zone = zone
    if rest == "/rrsets?type=TXT&name=" .. url.encode(challenge.fqdn) then
      return json.encode({ rrsets = json.list({ state.sets[challenge.fqdn] }) })
    end
    if rest == "/changes" then
      local change = json.decode(raw.body)
      local old = change.deletions[1]
      if not state.same(old, state.sets[challenge.fqdn]) then
        return { status = 409, body = '{"error":{"message":"the set is another"}}' }
      end
      state.sets[challenge.fqdn] = change.additions[1]
      return '{"id":"7","status":"pending"}'
    end
    expect(rest).to_be("/changes/7")
    state.polls = (state.polls or 0) + 1
    return json.encode({ id = "7", status = state.polls < 2 and "pending" or "done" })
  end
end

local function fresh(more)
  local state = more or {}
  state.tokens = state.tokens or function(raw)
    local claims = claims_of(raw.body)
    if not claims then return { status = 400, body = '{"error":"invalid_grant"}' } end
    state.claims = claims
    return '{"access_token":"t"}'
  end
  state.same = function(a, b) return json.encode(a) == json.encode(b) end
  return state
end

describe("gcloud", function()
  it("signs for a token, adds a text to those of the name and takes only that away", function()
    local state = fresh()
    local known = script("gcloud", {
      options = { GCE_SERVICE_ACCOUNT = account }, fetch = api(state),
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(state.claims.iss).to_be("dns@p1.iam.gserviceaccount.com")
    expect(state.claims.aud).to_be("https://oauth2.googleapis.com/token")
    expect(state.claims.scope).to_be("https://www.googleapis.com/auth/ndev.clouddns.readwrite")
    expect(state.claims.exp - state.claims.iat).to_be(3600)
    expect(state.sets[challenge.fqdn]).to_equal({
      name = challenge.fqdn, type = "TXT", ttl = 120, rrdatas = { '"v"' },
    })
    expect(state.zone).to_be("outside")
    expect(state.polls).to_be(2)
    local other = { fqdn = challenge.fqdn, value = "w" }
    expect(known:perform("present", other).error).to_be_nil()
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(state.sets[challenge.fqdn].rrdatas).to_equal({ '"v"', '"w"' })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(state.sets[challenge.fqdn].rrdatas).to_equal({ '"w"' })
    expect(known:perform("cleanup", challenge).error).to_be_nil()
    expect(known:perform("cleanup", other).error).to_be_nil()
    expect(state.sets[challenge.fqdn]).to_be_nil()
  end)

  it("uses the machine's account", function()
    local base = "http://metadata.google.internal/computeMetadata/v1/"
    local state = fresh()
    local alive = true
    state.other = function(raw)
      if not raw.url:find(base, 1, true) then return nil end
      if not alive then return 404 end
      expect(raw.headers["Metadata-Flavor"]).to_be("Google")
      if raw.url == base .. "project/project-id" then return "p1" end
      return '{"access_token":"t"}'
    end
    local known = script("gcloud", {
      options = { GCE_ALLOW_PRIVATE_ZONE = true }, fetch = api(state),
    })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(state.zone).to_be("inside")
    alive = false
    expect(known:perform("present", challenge).error).to_contain("the metadata service: status 404")
  end)

  it("acts for another account, and for a user", function()
    local state = fresh({ token = "other" })
    state.other = function(raw)
      if not raw.url:find("^https://iamcredentials%.googleapis%.com/") then return nil end
      expect(raw.url).to_contain("/serviceAccounts/to%40p.test:generateAccessToken")
      if raw.headers["Authorization"] ~= "Bearer t" then
        return { status = 403, body = '{"error":{"message":"denied"}}' }
      end
      return '{"accessToken":"other"}'
    end
    local options = {
      GCE_SERVICE_ACCOUNT = account, GCE_IMPERSONATE_SERVICE_ACCOUNT = "to@p.test",
      GCE_ZONE_ID = "mine",
    }
    local known = script("gcloud", { options = options, fetch = api(state) })
    expect(known:perform("present", challenge).error).to_be_nil()
    expect(state.claims.scope).to_be("https://www.googleapis.com/auth/cloud-platform")
    expect(state.zone).to_be("mine")
    state.tokens = function() return '{"access_token":"x"}' end
    expect(known:perform("present", challenge).error)
      .to_contain("GCE_IMPERSONATE_SERVICE_ACCOUNT: status 403: denied")
    local user = json.encode({
      type = "authorized_user", client_id = "i", client_secret = "s", refresh_token = "r",
    })
    state = fresh({ tokens = function(raw)
      expect(raw.body)
        .to_be("client_id=i&client_secret=s&grant_type=refresh_token&refresh_token=r")
      return '{"access_token":"t"}'
    end })
    known = script("gcloud", {
      options = { GCE_SERVICE_ACCOUNT = user, GCE_PROJECT = "p1" }, fetch = api(state),
    })
    expect(known:perform("present", challenge).error).to_be_nil()
  end)

  it("tells what is wrong", function()
    local function opening(text)
      return function() script("gcloud", { options = { GCE_SERVICE_ACCOUNT = text } }) end
    end
    expect(opening("x")).to_fail("GCE_SERVICE_ACCOUNT: this is no JSON object")
    expect(opening("{}")).to_fail("GCE_SERVICE_ACCOUNT: client_email is missing")
    expect(opening('{"type":"external_account"}')).to_fail("external_account are not supported")
    local function failure(state, changed, options)
      options = options or {}
      options.GCE_SERVICE_ACCOUNT = options.GCE_SERVICE_ACCOUNT or account
      local known = script("gcloud", { options = options, fetch = api(state) })
      return known:perform("present", changed or challenge).error
    end
    expect(failure(fresh(), { fqdn = "_acme-challenge.b.test.", value = "v" }))
      .to_contain("no zone of the project holds")
    expect(failure(fresh({ token = "x" }))).to_contain("status 401: Request is unauthenticated")
    expect(failure(fresh({ tokens = function()
      return { status = 400, body = '{"error":"invalid_grant","error_description":"old"}' }
    end }))).to_contain("the service account: status 400: invalid_grant: old")
    expect(failure(fresh({ polls = -1000 }), nil, { GCE_PROPAGATION_TIMEOUT = 30 }))
      .to_contain("not done in time")
    expect(failure(fresh({ tokens = function() return { failure = "refused" } end })))
      .to_contain("the service account: ")
  end)
end)
