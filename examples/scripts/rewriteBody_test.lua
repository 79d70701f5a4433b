describe("rewriteBody", function()
  local options = { replace = { { pattern = "http://(\\w+)\\.old", with = "https://$1.new" } } }
  local html = { ["Content-Type"] = "text/html; charset=utf-8", ETag = '"1"' }

  it("replaces text in HTML", function()
    local r = run("rewriteBody", {
      options = options, upstream = { body = "<a href=http://a.old/>", headers = html },
    })
    expect(r.body).to_be("<a href=https://a.new/>")
    expect(r.headers["ETag"]).to_be_nil()
  end)

  it("leaves other types", function()
    local r = run("rewriteBody", { options = options, upstream = "http://a.old/" })
    expect(r.body).to_be("http://a.old/")
  end)
end)
