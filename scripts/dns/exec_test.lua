-- Tests of exec.
local challenge = {
  domain = "a.example", fqdn = "_acme-challenge.a.example.", value = "v", token = "-t",
  key_authorization = "-t.k",
}

-- What a program was told that ends so.
local function told(options, ended, hook)
  local seen
  local known = script("exec", {
    options = options,
    programs = function(path, arguments)
      seen = path .. " " .. table.concat(arguments, " ")
      return ended
    end,
  })
  return seen, known:perform(hook or "present", challenge).error, function() return seen end, known
end

describe("exec", function()
  it("tells a program what to set and to take away", function()
    local options = { EXEC_PATH = "/bin/set" }
    local _, failure, seen = told(options, 0)
    expect(failure).to_be_nil()
    expect(seen()).to_be("/bin/set present _acme-challenge.a.example. v")
    local _, _, later = told(options, 0, "cleanup")
    expect(later()).to_be("/bin/set cleanup _acme-challenge.a.example. v")
  end)

  it("tells the challenge as it is", function()
    local _, _, seen = told({ EXEC_PATH = "/bin/set", EXEC_MODE = "RAW" }, 0)
    expect(seen()).to_be("/bin/set present -- a.example -t -t.k")
  end)

  it("logs what the program writes, and fails with it", function()
    local ended = { status = 3, output = "one\ntwo\n" }
    local _, failure, _, known = told({ EXEC_PATH = "/bin/set" }, ended)
    expect(failure).to_contain("/bin/set ended with 3: two")
    expect(known:logs()[1].message).to_be("one")
    expect(known:logs()[2].message).to_be("two")
    expect(function() script("exec", {}) end).to_fail("EXEC_PATH")
    local none = script("exec", { options = { EXEC_PATH = "/bin/set" } })
    expect(none:perform("present", challenge).error).to_contain("/bin/set: ")
  end)
end)
