-- Tests of backSoon.
describe("backSoon", function()
  it("answers with the page", function()
    local r = run("backSoon", { options = { page = "later", retry_after = "1m" } })
    expect(r.status).to_be(503)
    expect(r.body).to_be("later")
    expect(r.headers["Retry-After"]).to_be("60")
  end)

  it("lets those through who work on it", function()
    local site = script("backSoon", {
      options = { networks = { "10.0.0.0/8" }, cookie = "s3cret" },
    })
    expect(site:send({ peer = "10.1.2.3" }).status).to_be(200)
    expect(site:send({ headers = { Cookie = "preview=s3cret" } }).status).to_be(200)
    expect(site:send({ headers = { Cookie = "preview=guess" } }).status).to_be(503)
  end)

  it("does nothing when it is off", function()
    expect(run("backSoon", { options = { on = false } }).status).to_be(200)
  end)
end)
