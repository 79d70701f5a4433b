describe("compress", function()
  local page = string.rep("hello ", 400)
  local upstream = { body = page, headers = { ["Content-Type"] = "text/plain", ETag = '"1"' } }

  local function ask(accepted, options, answer)
    return run("compress", {
      options = options, upstream = answer or upstream,
      request = { headers = { ["Accept-Encoding"] = accepted } },
    })
  end

  it("compresses what the client accepts", function()
    for accepted, coding in pairs({ gzip = "gzip", ["br;q=1, gzip;q=0.5"] = "br", zstd = "zstd" }) do
      local r = ask(accepted)
      expect(r.headers["Content-Encoding"]).to_be(coding)
      expect(r.headers["Vary"]).to_be("Accept-Encoding")
      expect(r.headers["ETag"]).to_be('W/"1"')
      expect(#r.body).to_be_below(#page)
    end
  end)

  it("leaves small answers, unknown codings and coded answers", function()
    expect(ask("gzip", {}, "small").headers["Content-Encoding"]).to_be_nil()
    expect(ask("deflate").body).to_be(page)
    local coded = { body = page, headers = { ["Content-Encoding"] = "x" } }
    expect(ask("gzip", {}, coded).body).to_be(page)
  end)

  it("compresses the types it is told", function()
    expect(ask("gzip", { includedContentTypes = { "text/html" } }).body).to_be(page)
    expect(ask("gzip", { excludedContentTypes = { "text/plain" } }).body).to_be(page)
    expect(ask("gzip", { includedContentTypes = { "text/plain" } }).body).never.to_be(page)
  end)

  it("refuses both lists at once", function()
    local both = { includedContentTypes = { "a/b" }, excludedContentTypes = { "c/d" } }
    expect(function() ask("gzip", both) end).to_fail("cannot be used together")
  end)
end)
