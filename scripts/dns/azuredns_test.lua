-- Tests of azuredns. The key is made for them and opens nothing.
local certificate_and_key = [[
-----BEGIN CERTIFICATE-----
MIIDEzCCAfugAwIBAgIUHmlydHK9iXLYbZB/pe2py9V9OlowDQYJKoZIhvcNAQEL
BQAwGDEWMBQGA1UEAwwNbW9vbmdhdGUtdGVzdDAgFw0yNjExMzAyMzAzNTZaGA8y
MTI2MTEwNjIzMDM1NlowGDEWMBQGA1UEAwwNbW9vbmdhdGUtdGVzdDCCASIwDQYJ
KoZIhvcNAQEBBQADggEPADCCAQoCggEBANvE+dZ10RnpQ1O9LGKy/8t/d6Kkt/5W
VI59KEq4RK21ICmhv9e3PXgg3XFLMibJHERS8pDkSqrvcVH2MXtabAcUZ7ipzIRK
bDjSvEhqeHPCA07PeuBoENtJxmXL5zU9pwk8NtlOU9MtYJLFRgn9g2qFUN6Z4q7A
HtBoaTKGsaVL0yr5Wgo5dU9EBZxnFJg/nXNS2XEz3PiGVQURI4qQQfCdOUljmz5U
ipDryf8kr8SsKjDH/wXO4T1FptR7u2R2KBz5Femy2lQ87YkSBtzkA9e/y1AhfSlG
o7E+2/qCTlwoGMEub31aIAYhSPEKd3qodMgQqqpcQRYL8jNT4byrPPMCAwEAAaNT
MFEwHQYDVR0OBBYEFEN1KAMHl5No2n1pvLynQCFHn0tJMB8GA1UdIwQYMBaAFEN1
KAMHl5No2n1pvLynQCFHn0tJMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQEL
BQADggEBAMbvot0TnzPJx+1aLVpP3+WpEg+ZGbyvjqNNJsgUJi1QiVZPb9HVfODw
HAwwXyGtu+VLPNzgAWCq5+cWj4vnu2fLGRIBVkKCp39ljse5q+H/C6Jv3Cw5aSz2
o5Ad51sWFw3OecXsalB28xmGcMRsSQUEvUIIOCvGC6J1zxgGu+noNSs9FC5oudte
VvzOy9m/jvafyIjVJSOcG3oLsNoRUoJ50QxRbkrRZ4lvM8rRhR8rAeGNhyeTBPaA
WqZ7vVRlVrEWsGgxVNehwQYvBWDivolZ7QSk2YsoVDymgkFAIRrPHNYBCKuz+lWl
9B32wYTtK+h8UznRvhgm/1zuTUo9suk=
-----END CERTIFICATE-----
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
local thumbprint = "xKpcKF9t6VA_deNDJsFWZmMtODA"

local challenge = { fqdn = "_acme-challenge.a.example.com.", value = "v" }
local arm, login = "https://management.azure.com", "https://login.microsoftonline.com"
local secret = { AZURE_CLIENT_ID = "c", AZURE_TENANT_ID = "t1", AZURE_CLIENT_SECRET = "s" }
local set = "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.Network/dnsZones/example.com"
  .. "/TXT/_acme-challenge.a?api-version=2018-05-01"

local function form_of(body)
  local form = {}
  for name, value in body:gmatch("([^&=]+)=([^&]*)") do form[name] = url.decode(value) end
  return form
end

-- Azure with these zones; `state.texts` are the name's texts.
local function api(state)
  state.texts = state.texts or {}
  state.zones = state.zones
    or { { name = "example.com", subscriptionId = "s1", resourceGroup = "g1" } }
  return function(raw)
    local own = state.other and state.other(raw)
    if own then return own end
    if raw.url == (state.login or login) .. "/t1/oauth2/v2.0/token" then
      state.form = form_of(raw.body)
      if state.refuses then
        return { status = 401, body = '{"error":"invalid_client","error_description":"wrong"}' }
      end
      return '{"access_token":"token"}'
    end
    if raw.headers["Authorization"] ~= "Bearer token" then
      return { status = 401, body = '{"error":{"message":"no token"}}' }
    end
    local path = raw.url:sub(#(state.arm or arm) + 1)
    if path == "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01" then
      state.query = json.decode(raw.body).query
      return json.encode({ data = json.list(state.zones) })
    end
    expect(path).to_be(state.set or set)
    local records = state.records or "TXTRecords"
    if raw.method == "PUT" then
      local properties = json.decode(raw.body).properties
      state.texts, state.ttl = {}, properties.TTL or properties.ttl
      for _, record in ipairs(properties[records]) do
        table.insert(state.texts, record.value[1])
      end
      return { status = 201, body = "{}" }
    end
    if raw.method == "DELETE" then
      state.texts = {}
      return 200
    end
    if not state.texts[1] then return { status = 404, body = '{"error":{"message":"none"}}' } end
    local list = {}
    for _, text in ipairs(state.texts) do table.insert(list, { value = { text } }) end
    return json.encode({ properties = { [records] = list } })
  end
end

local function known(state, options, more)
  more = more or {}
  return script("azuredns", {
    options = options, fetch = api(state), files = more.files, programs = more.programs,
  })
end

describe("azuredns", function()
  it("adds a text to those of the name and takes only that away", function()
    local state = { texts = { "other" } }
    local azure = known(state, secret)
    expect(azure:perform("present", challenge).error).to_be_nil()
    expect(state.form).to_equal({
      grant_type = "client_credentials", client_id = "c", client_secret = "s",
      scope = "https://management.azure.com/.default",
    })
    expect(state.query).to_be('resources | where type =~ "microsoft.network/dnszones" | where name '
      .. 'in~ ("_acme-challenge.a.example.com", "a.example.com", "example.com") | '
      .. "project subscriptionId, resourceGroup, name")
    expect(state.texts).to_equal({ "other", "v" })
    expect(state.ttl).to_be(60)
    expect(azure:perform("present", challenge).error).to_be_nil()
    expect(#state.texts).to_be(2)
    expect(azure:perform("cleanup", challenge).error).to_be_nil()
    expect(state.texts).to_equal({ "other" })
    expect(azure:perform("cleanup", challenge).error).to_be_nil()
    expect(azure:perform("cleanup", { fqdn = challenge.fqdn, value = "other" }).error).to_be_nil()
    expect(state.texts).to_equal({})
  end)

  it("knows private zones, conditions and other clouds", function()
    local options = table.clone(secret)
    options.AZURE_PRIVATE_ZONE, options.AZURE_ENVIRONMENT = true, "china"
    options.AZURE_SUBSCRIPTION_ID, options.AZURE_RESOURCE_GROUP = "s1", "g1"
    options.AZURE_ZONE_NAME, options.AZURE_SERVICEDISCOVERY_FILTER = "example.com", "where x == 1"
    local state = {
      login = "https://login.chinacloudapi.cn", arm = "https://management.chinacloudapi.cn",
      records = "txtRecords",
      set = set:gsub("dnsZones", "privateDnsZones"):gsub("2018%-05", "2020-06"),
    }
    expect(known(state, options):perform("present", challenge).error).to_be_nil()
    expect(state.texts).to_equal({ "v" })
    expect(state.form.scope).to_be("https://management.chinacloudapi.cn/.default")
    expect(state.query).to_contain("microsoft.network/privatednszones")
    expect(state.query).to_contain('| where subscriptionId =~ "s1" | where resourceGroup =~ "g1" '
      .. '| where x == 1 | where name in~ ("example.com") |')
  end)

  it("proves itself with a certificate", function()
    local options = {
      AZURE_CLIENT_ID = "c", AZURE_TENANT_ID = "t1", AZURE_CLIENT_CERTIFICATE_PATH = "/c.pem",
    }
    local state = {}
    local azure = known(state, options, { files = { ["/c.pem"] = certificate_and_key } })
    expect(azure:perform("present", challenge).error).to_be_nil()
    local token = state.form.client_assertion
    local head = json.decode(base64.decode(token:match("^[^.]+")))
    expect(head.x5t).to_be(thumbprint)
    local claims = jwt.keys(public_key):verify(token, { "RS256" })
    expect(claims.iss .. claims.sub).to_be("cc")
    expect(claims.aud).to_be(login .. "/t1/oauth2/v2.0/token")
    azure = known({}, options, { files = { ["/c.pem"] = "x" } })
    expect(azure:perform("present", challenge).error).to_contain("/c.pem holds no certificate")
    azure = known({}, options, { files = {} })
    expect(azure:perform("present", challenge).error).to_contain("CERTIFICATE_PATH: missing")
  end)

  it("proves itself with a workload's token, and with another issuer's", function()
    local workload = {
      AZURE_CLIENT_ID = "c", AZURE_TENANT_ID = "t1", AZURE_FEDERATED_TOKEN_FILE = "/token",
      AZURE_AUTHORITY_HOST = "https://login.test/",
    }
    local state = { login = "https://login.test" }
    local azure = known(state, workload, { files = { ["/token"] = "a.b.c\n" } })
    expect(azure:perform("present", challenge).error).to_be_nil()
    expect(state.form.client_assertion).to_be("a.b.c")
    azure = known({}, workload, { files = {} })
    expect(azure:perform("present", challenge).error).to_contain("AZURE_FEDERATED_TOKEN_FILE: ")

    local function oidc(more)
      local options = { AZURE_CLIENT_ID = "c", AZURE_TENANT_ID = "t1", AZURE_AUTH_METHOD = "oidc" }
      for name, value in pairs(more) do options[name] = value end
      return options
    end
    local asked = "https://ci.test/token?x=1&audience=" .. url.encode("api://AzureADTokenExchange")
    state = { other = function(raw)
      if raw.url ~= asked then return nil end
      return raw.headers["Authorization"] == "Bearer r" and '{"value":"d.e.f"}' or 403
    end }
    for _, more in ipairs({
      { AZURE_OIDC_TOKEN = "d.e.f" }, { AZURE_OIDC_TOKEN_FILE_PATH = "/token" },
      { AZURE_OIDC_REQUEST_URL = "https://ci.test/token?x=1", AZURE_OIDC_REQUEST_TOKEN = "r" },
    }) do
      azure = known(state, oidc(more), { files = { ["/token"] = "d.e.f" } })
      state.form = nil
      expect(azure:perform("present", challenge).error).to_be_nil()
      state.texts = {}
      expect(state.form.client_assertion).to_be("d.e.f")
    end
    azure = known(state, oidc({
      AZURE_OIDC_REQUEST_URL = "https://ci.test/token?x=1", AZURE_OIDC_REQUEST_TOKEN = "x",
    }))
    expect(azure:perform("present", challenge).error)
      .to_contain("AZURE_OIDC_REQUEST_URL: status 403")
    azure = known(state, oidc({ AZURE_OIDC_TOKEN_FILE_PATH = "/x" }), { files = {} })
    expect(azure:perform("present", challenge).error).to_contain("AZURE_OIDC_TOKEN_FILE_PATH: ")
  end)

  it("takes the machine's identity, or that of a program", function()
    local base = "http://169.254.169.254/metadata/identity/oauth2/token"
    local query = "&resource=" .. url.encode(arm)
    local state = { other = function(raw)
      if raw.url ~= base .. "?api-version=2018-02-01" .. query .. "&client_id=c" then return nil end
      return raw.headers["Metadata"] == "true" and '{"access_token":"token"}' or 400
    end }
    expect(known(state, { AZURE_CLIENT_ID = "c" }):perform("present", challenge).error).to_be_nil()
    -- An app's service shows a header; an agent elsewhere, a file.
    state = { other = function(raw)
      if raw.url ~= "http://app/token?api-version=2019-08-01" .. query then return nil end
      return raw.headers["X-IDENTITY-HEADER"] == "h" and '{"access_token":"token"}' or 400
    end }
    local app = { IDENTITY_ENDPOINT = "http://app/token", IDENTITY_HEADER = "h" }
    expect(known(state, app):perform("present", challenge).error).to_be_nil()
    state = { other = function(raw)
      if raw.url ~= "http://arc/token?api-version=2019-11-01" .. query then return nil end
      if raw.headers["Authorization"] == "Basic k" then return '{"access_token":"token"}' end
      return { status = 401, headers = { ["WWW-Authenticate"] = "Basic realm=/key" } }
    end }
    local arc = { IDENTITY_ENDPOINT = "http://arc/token", AZURE_AUTH_METHOD = "msi" }
    local azure = known(state, arc, { files = { ["/key"] = "k" } })
    expect(azure:perform("present", challenge).error).to_be_nil()
    azure = known(state, arc, { files = {} })
    expect(azure:perform("present", challenge).error).to_contain("the machine's identity: missing")

    -- Where there is no such machine, `az` may know.
    state = { other = function(raw)
      return raw.url:find(base, 1, true) and { failure = "away" }
    end }
    local told
    azure = known(state, { AZURE_TENANT_ID = "t1" }, { programs = function(path, arguments)
      told = path .. " " .. table.concat(arguments, " ")
      return { output = '{"accessToken":"token"}' }
    end })
    expect(azure:perform("present", challenge).error).to_be_nil()
    expect(told).to_be("az account get-access-token --output json --resource " .. arm
      .. " --tenant t1")
    azure = known(state, {}, { programs = function() return { status = 1, output = "log in" } end })
    expect(azure:perform("present", challenge).error).to_contain("; az: log in")
    expect(known(state, {}):perform("present", challenge).error).to_contain("; az: ")
  end)

  it("tells what is wrong", function()
    local function opening(options)
      return function() script("azuredns", { options = options }) end
    end
    expect(opening({ AZURE_AUTH_METHOD = "pipeline" })).to_fail("pipeline is not supported")
    expect(opening({ AZURE_AUTH_METHOD = "wli" })).to_fail("not set is AZURE_CLIENT_ID")
    local half = { AZURE_AUTH_METHOD = "env", AZURE_CLIENT_ID = "c", AZURE_TENANT_ID = "t" }
    expect(opening(half)).to_fail("AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH")
    expect(opening({
      AZURE_AUTH_METHOD = "oidc", AZURE_CLIENT_ID = "c", AZURE_TENANT_ID = "t",
      AZURE_OIDC_REQUEST_URL = "https://ci.test",
    })).to_fail("AZURE_OIDC_REQUEST_TOKEN is missing")
    expect(opening({ AZURE_ENVIRONMENT = "mars" })).to_fail("AZURE_ENVIRONMENT")
    local function failure(state)
      return known(state, secret):perform("present", challenge).error
    end
    expect(failure({ refuses = true })).to_contain("login: status 401: wrong")
    expect(failure({ zones = {} })).to_contain("no zone that this identity can see")
    local twice = { name = "example.com", subscriptionId = "s2", resourceGroup = "g2" }
    local one = { name = "example.com", subscriptionId = "s1", resourceGroup = "g1" }
    expect(failure({ zones = { one, twice } })).to_contain("there are two zones example.com")
    local function failing(method, status)
      return { other = function(raw)
        if raw.method == method and raw.url:find("/TXT/", 1, true) then
          return { status = status, body = '{"error":{"message":"locked"}}' }
        end
      end }
    end
    expect(failure(failing("GET", 403))).to_contain("status 403: locked")
    expect(failure(failing("PUT", 409))).to_contain("status 409: locked")
    expect(failure({ other = function(raw)
      return raw.url:find("ResourceGraph", 1, true) and { status = 403, body = "no" }
    end })).to_contain("status 403: no")
  end)
end)
