-- Tests of mirrorDiff.
describe("mirrorDiff", function()
  local function made(shadow, options)
    options = options or {}
    options.service, options.countsPath = "shadow", "/counts"
    return script("mirrorDiff", {
      options = options, upstream = { body = "one" }, services = { shadow = shadow },
    })
  end
  local function counts(diff)
    advance("1s")
    return json.decode(diff:send("GET http://a.example/counts").body)
  end

  it("counts answers that are the same, and others", function()
    local body = "one"
    local diff = made(function() return { body = body } end)
    expect(diff:send().body).to_be("one")
    expect(counts(diff).same).to_be(1)
    body = "two"
    expect(diff:send().body).to_be("one")
    expect(counts(diff)["different body"]).to_be(1)
  end)

  it("copies only what can be done twice", function()
    local asked = 0
    local diff = made(function()
      asked = asked + 1
      return "one"
    end)
    diff:send({ method = "POST", url = "http://a.example/" })
    advance("1s")
    expect(asked).to_be(0)
  end)
end)
