-- Tests of passTLSClientCert.

-- Of one.test, with a part of every kind in its name, number 77, valid for a hundred years.
local certificate = base64.decode(
  "MIICUjCCAfmgAwIBAgIBTTAKBggqhkjOPQQDAjBsMQswCQYDVQQGEwJOTDEQMA4GA1UECAwHVXRyZWNodDEOMAwG" ..
  "A1UEBwwFWmVpc3QxDTALBgNVBAoMBE1vb24xDTALBgNVBAsMBEdhdGUxCjAIBgNVBAUTATcxETAPBgNVBAMMCG9u" ..
  "ZS50ZXN0MCAXDTI2MTEzMDIyMTgyOFoYDzIxMjYxMTA2MjIxODI4WjBsMQswCQYDVQQGEwJOTDEQMA4GA1UECAwH" ..
  "VXRyZWNodDEOMAwGA1UEBwwFWmVpc3QxDTALBgNVBAoMBE1vb24xDTALBgNVBAsMBEdhdGUxCjAIBgNVBAUTATcx" ..
  "ETAPBgNVBAMMCG9uZS50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1UQjgH/pojDtvQzsBp4kTLAg/ouw" ..
  "Ik4BhANuXmIZf76AAqhWftUW8eAEJFJxq5B/jBKftjaK0Lw+qbMPHpjlVqOBiTCBhjAdBgNVHQ4EFgQUsUmF0RMd" ..
  "vDMxNTaxi/yw1doFocwwHwYDVR0jBBgwFoAUsUmF0RMdvDMxNTaxi/yw1doFocwwDwYDVR0TAQH/BAUwAwEB/zAz" ..
  "BgNVHREELDAqgghvbmUudGVzdIEKYUBvbmUudGVzdIcEwAACCYYMc3BpZmZlOi8vb25lMAoGCCqGSM49BAMCA0cA" ..
  "MEQCIBZx4yfYwa3KT2ygbBBNF+dRAs3hEK+WFvNe4R+qgEftAiAcek/NMGuFN/ig2xGEdxixjJY0n6l3NCKeOMbP" ..
  "jD0+Pg=="
)

describe("passTLSClientCert", function()
  it("says in the log that there is no certificate", function()
    local passing = script("passTLSClientCert", { options = { pem = true } })
    local r = passing:send("GET https://a.example/")
    expect(r.status).to_be(200)
    expect(r.request.headers["X-Forwarded-Tls-Client-Cert"]).to_be_nil()
    expect(passing:logs()[1].message).to_contain("certificate")
  end)

  it("tells the certificate", function()
    local r = run("passTLSClientCert", {
      options = { pem = true },
      request = { url = "https://a.example/", tls = { certificates = { "DER" } } },
    })
    expect(r.request.headers["X-Forwarded-Tls-Client-Cert"]).to_be(base64.encode("DER"))
  end)

  -- What a server is told of the certificate, unescaped.
  local function told(info)
    local r = run("passTLSClientCert", {
      options = { info = info },
      request = { url = "https://a.example/", tls = { certificates = { certificate } } },
    })
    return url.decode((r.request.headers["X-Forwarded-Tls-Client-Cert-Info"]:gsub("%+", " ")))
  end

  it("tells the parts of a name that are asked for", function()
    expect(told({ subject = { country = true, province = true, locality = true } }))
      .to_be('Subject="C=NL,ST=Utrecht,L=Zeist"')
    expect(told({ subject = { organization = true, organizationalUnit = true } }))
      .to_be('Subject="O=Moon,OU=Gate"')
    expect(told({ issuer = { serialNumber = true, commonName = true } }))
      .to_be('Issuer="SN=7,CN=one.test"')
  end)

  it("tells number, times and other names", function()
    expect(told({ serialNumber = true })).to_be('SerialNumber="77"')
    expect(told({ notBefore = true, notAfter = true })).to_be('NB="1796077108";NA="4949677108"')
    expect(told({ sans = true })).to_be('SAN="one.test,a@one.test,192.0.2.9,spiffe://one"')
  end)

  it("tells nothing of what is no certificate", function()
    local r = run("passTLSClientCert", {
      options = { info = { sans = true } },
      request = { url = "https://a.example/", tls = { certificates = { "DER" } } },
    })
    expect(r.request.headers["X-Forwarded-Tls-Client-Cert-Info"]).to_be("")
  end)
end)
