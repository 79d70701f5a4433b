describe("buffering", function()
  it("refuses requests that are too large", function()
    local r = run("buffering", {
      options = { maxRequestBodyBytes = 4 }, request = { method = "POST", body = "hello" },
    })
    expect(r.status).to_be(413)
    expect(r.request).to_be_nil()
  end)

  it("hides answers that are too large", function()
    local r = run("buffering", { options = { maxResponseBodyBytes = 4 }, upstream = "hello" })
    expect(r.status).to_be(500)
  end)

  it("sends again while the expression holds", function()
    local r = run("buffering", {
      options = { retryExpression = "ResponseCode() == 503 && Attempts() <= 2" },
      request = { method = "POST", body = "hello" },
      upstream = 503,
    })
    expect(#r.upstream).to_be(3)
    expect(r.upstream[3].body).to_be("hello")
  end)
end)
