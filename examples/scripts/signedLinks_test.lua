describe("signedLinks", function()
  local function link(path, expires, secret)
    local text = string.format("%d", expires)
    local signature = crypto.hmac("sha256", secret, path .. "\n" .. text, "base64url")
    return string.format("GET %s?expires=%s&signature=%s", path, text, signature)
  end

  local function ask(request)
    return run("signedLinks", { options = { secret = "s3cret" }, request = request })
  end

  it("serves links that are signed, and for their time alone", function()
    local r = ask(link("/a.zip", now() + 60, "s3cret"))
    expect(r.status).to_be(200)
    expect(r.request.query).to_be_nil()
    expect(ask(link("/a.zip", now() - 60, "s3cret")).status).to_be(410)
    expect(ask(link("/a.zip", now() + 60, "guess")).status).to_be(403)
    expect(ask("GET /a.zip").status).to_be(403)
  end)
end)
