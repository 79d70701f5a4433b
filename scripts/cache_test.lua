-- Tests of cache.
describe("cache", function()
  local function made(options, answer)
    local asked = { count = 0 }
    local cache = script("cache", {
      options = options,
      upstream = function(req)
        asked.count = asked.count + 1
        if type(answer) == "function" then return answer(req, asked.count) end
        return answer
      end,
    })
    return cache, asked
  end

  it("gives answers again as long as they are fresh", function()
    local cache, asked = made({}, { headers = { ["Cache-Control"] = "max-age=60" }, body = "x" })
    expect(cache:send().body).to_be("x")
    advance("59s")
    local r = cache:send()
    expect(r.body).to_be("x")
    expect(r.headers["Age"]).to_be("59")
    expect(asked.count).to_be(1)
    advance("2s")
    cache:send()
    expect(asked.count).to_be(2)
  end)

  it("keeps nothing that is private, or made for a cookie", function()
    for _, headers in ipairs({
      { ["Cache-Control"] = "private, max-age=60" }, { ["Cache-Control"] = "no-store" },
      { ["Cache-Control"] = "max-age=60", ["Set-Cookie"] = "a=b" }, {},
    }) do
      local cache, asked = made({}, { headers = headers, body = "x" })
      cache:send()
      cache:send()
      expect(asked.count).to_be(2)
    end
  end)

  it("asks about stale answers", function()
    local cache, asked = made({}, function(req)
      local headers = { ["Cache-Control"] = "max-age=10", ETag = '"1"' }
      if req.headers["If-None-Match"] == '"1"' then return { status = 304, headers = headers } end
      return { headers = headers, body = "whole" }
    end)
    cache:send()
    advance("11s")
    local r = cache:send()
    expect(r.body).to_be("whole")
    expect(r.headers["Cache-Status"]).to_contain("revalidated")
    advance("5s")
    cache:send()
    expect(asked.count).to_be(2)
  end)

  it("gives stale answers when the service fails", function()
    local cache = made({ defaultTTL = "10s", staleIfError = "1m" }, function(_, count)
      return count == 1 and "good" or { status = 503 }
    end)
    cache:send()
    advance("11s")
    expect(cache:send().body).to_be("good")
    advance("1m")
    expect(cache:send().status).to_be(503)
  end)
end)

bench("cache", "cache", { options = { defaultTTL = "1h" } })
