describe("retry", function()
  it("sends again when no server was reached", function()
    local tries = 0
    local r = run("retry", {
      options = { attempts = 3 },
      upstream = function()
        tries = tries + 1
        if tries < 3 then return { failure = "refused" } end
        return "at last"
      end,
    })
    expect(r.status).to_be(200)
    expect(r.body).to_be("at last")
    expect(tries).to_be(3)
  end)

  it("gives up after so many attempts", function()
    local r = run("retry", { options = { attempts = 2 }, upstream = { failure = "refused" } })
    expect(r.status).to_be(502)
    expect(#r.upstream).to_be(2)
  end)

  it("sends again for statuses of the list, with the same body", function()
    local r = run("retry", {
      options = { attempts = 2, status = { "503" }, retryNonIdempotentMethod = true },
      request = { method = "POST", url = "/", body = "hello" },
      upstream = function(req) return { status = 503, body = req.body } end,
    })
    expect(#r.upstream).to_be(2)
    expect(r.upstream[2].body).to_be("hello")
    expect(r.status).to_be(503)
  end)

  it("waits between attempts, and not beyond its time", function()
    local r = run("retry", {
      options = { attempts = 3, initialInterval = "1s" }, upstream = { failure = "refused" },
    })
    expect(r.took).to_be_above(1)
    r = run("retry", {
      options = { attempts = 9, initialInterval = "1s", timeout = "1s" },
      upstream = { failure = "refused" },
    })
    expect(#r.upstream).to_be_below(5)
  end)
end)
