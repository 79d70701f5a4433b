-- Tests of rewriteBody.
describe("rewriteBody", function()
  local options = { rewrites = { { regex = "(\\w+)\\.internal", replacement = "${1}.example" } } }

  it("replaces text in pages", function()
    local r = run("rewriteBody", {
      options = options,
      upstream = {
        headers = { ["Content-Type"] = "text/html" }, body = "<a href=//shop.internal>",
      },
    })
    expect(r.body).to_be("<a href=//shop.example>")
  end)

  it("leaves other bodies alone", function()
    local r = run("rewriteBody", {
      options = options,
      upstream = { headers = { ["Content-Type"] = "image/png" }, body = "shop.internal" },
    })
    expect(r.body).to_be("shop.internal")
  end)

  it("asks servers for what it can read", function()
    local r = run("rewriteBody", {
      options = options, request = { headers = { ["Accept-Encoding"] = "deflate, gzip" } },
    })
    expect(r.request.headers["Accept-Encoding"]).to_be("gzip")
  end)
end)
