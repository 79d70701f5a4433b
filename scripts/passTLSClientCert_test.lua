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
end)
