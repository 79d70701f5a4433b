describe("canonicalUrl", function()
  local function to(target)
    return run("canonicalUrl", { request = "GET " .. target }).headers["Location"]
  end

  it("redirects to the one address", function()
    expect(to("https://www.a.example/x/?utm_source=y&p=1")).to_be("https://a.example/x?p=1")
    expect(to("https://a.example//x//y")).to_be("https://a.example/x/y")
    expect(to("https://a.example/?gclid=1")).to_be("https://a.example/")
  end)

  it("leaves the one address", function()
    for _, target in ipairs({ "https://a.example/", "https://a.example/x?p=1&q" }) do
      expect(to(target)).to_be_nil()
    end
  end)
end)
