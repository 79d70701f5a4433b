-- Tests of staticFiles.
describe("staticFiles", function()
  local options = { root = "/nowhere/at/all" }

  it("reads and does nothing else", function()
    local r = run("staticFiles", { options = options, request = "POST http://a.example/x" })
    expect(r.status).to_be(405)
    expect(r.headers["Allow"]).to_be("GET, HEAD")
  end)

  it("has nothing under names that lead out or begin with a dot", function()
    for _, path in ipairs({ "/.env", "/a/.git/config", "/a%5C..%5Cb" }) do
      local r = run("staticFiles", { options = options, request = "GET http://a.example" .. path })
      expect(r.status).to_be(404)
    end
  end)

  it("fails when the folder is not there", function()
    local r = run("staticFiles", { options = options, request = "GET http://a.example/x" })
    expect(r.status).to_be(500)
    expect(r.error).to_contain("No such file")
  end)
end)
