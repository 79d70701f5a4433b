-- Tests of split.
describe("split", function()
  local arms = { { name = "old", weight = 3 }, { name = "new", service = "new", weight = 1 } }
  local function arm(split, headers)
    return split:send({ headers = headers or {} }).body
  end
  local function made(options)
    options.arms = options.arms or arms
    return script("split", { options = options, upstream = "old", services = { new = "new" } })
  end

  it("keeps to the weights", function()
    local split, counts = made({}), { old = 0, new = 0 }
    for _ = 1, 40 do
      local name = arm(split)
      counts[name] = counts[name] + 1
    end
    expect(counts).to_equal({ old = 30, new = 10 })
  end)

  it("keeps clients with their arm by a cookie", function()
    local split = made({ cookie = { name = "arm" } })
    expect(split:send().headers["Set-Cookie"]).to_match("^arm=%a+;")
    for _ = 1, 8 do expect(arm(split, { Cookie = "arm=new" })).to_be("new") end
    expect(split:send({ headers = { Cookie = "arm=new" } }).headers["Set-Cookie"]).to_be_nil()
  end)

  it("lets a header choose, and keeps to what clients send", function()
    local split = made({ header = "X-Arm", stickyBy = { header = "X-User" } })
    expect(arm(split, { ["X-Arm"] = "new" })).to_be("new")
    local first = arm(split, { ["X-User"] = "ann" })
    for _ = 1, 8 do expect(arm(split, { ["X-User"] = "ann" })).to_be(first) end
  end)

  it("says when a service is missing", function()
    local split = script("split", { options = { arms = { { name = "a", service = "gone" } } } })
    expect(split:send().status).to_be(503)
  end)
end)

bench("split", "split", { options = { arms = { { name = "a" }, { name = "b" } } } })
