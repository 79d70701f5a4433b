describe("encodedCharacters", function()
  it("refuses encoded characters unless they are allowed", function()
    local function status(options, path)
      return run("encodedCharacters", { options = options, request = "GET " .. path }).status
    end
    expect(status({ allowEncodedHash = false }, "/a%2Fb")).to_be(400)
    expect(status({ allowEncodedSlash = true }, "/a%2Fb")).to_be(200)
    expect(status({ allowEncodedSlash = true }, "/a%00b")).to_be(400)
    expect(status({ allowEncodedSlash = false }, "/a%20b")).to_be(200)
    expect(status({ allowEncodedSlash = false }, "/ab")).to_be(200)
  end)
end)
