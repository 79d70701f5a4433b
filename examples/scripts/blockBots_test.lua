describe("blockBots", function()
  local function status(agent, path)
    return run("blockBots", { request = { url = path or "/", headers = { ["User-Agent"] = agent } } }).status
  end

  it("refuses those on the list and those without a name", function()
    expect(status("Mozilla/5.0 Firefox/140")).to_be(200)
    expect(status("Mozilla/5.0 (compatible; GPTBot/1.2)")).to_be(403)
    expect(status(nil)).to_be(403)
    expect(status("GPTBot", "/robots.txt")).to_be(200)
  end)
end)
