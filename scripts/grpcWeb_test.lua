describe("grpcWeb", function()
  local options = { allowOrigins = { "https://a.example" } }

  it("translates text to binary and back", function()
    local r = run("grpcWeb", {
      options = options,
      request = {
        method = "POST", url = "/pkg.Service/Call", body = base64.encode("hello"),
        headers = { ["Content-Type"] = "application/grpc-web-text+proto", Origin = "https://a.example" },
      },
      upstream = { body = "world", headers = { ["Content-Type"] = "application/grpc+proto" } },
    })
    expect(r.request.body).to_be("hello")
    expect(r.request.headers["Content-Type"]).to_be("application/grpc+proto")
    expect(r.headers["Content-Type"]).to_be("application/grpc-web-text+proto")
    expect(base64.decode(r.body)).to_be("world")
    expect(r.headers["Access-Control-Allow-Origin"]).to_be("https://a.example")
  end)

  it("answers preflights", function()
    local r = run("grpcWeb", {
      options = options,
      request = {
        method = "OPTIONS",
        headers = {
          Origin = "https://a.example", ["Access-Control-Request-Method"] = "POST",
          ["Access-Control-Request-Headers"] = "x-grpc-web",
        },
      },
    })
    expect(r.status).to_be(200)
    expect(r.headers["Access-Control-Allow-Methods"]).to_be("POST")
    expect(r.request).to_be_nil()
  end)

  it("leaves other requests alone", function()
    local r = run("grpcWeb", { options = options, request = "GET /" })
    expect(r.request.headers["Content-Type"]).to_be_nil()
  end)
end)
