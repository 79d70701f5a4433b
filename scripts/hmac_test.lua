describe("hmac", function()
  local options = { keys = { anna = "secret" }, headerField = "X-User" }

  local function signed(created, secret)
    local text = "(request-target): get /x\n(created): " .. created
    local signature = crypto.hmac("sha256", secret, text, "base64")
    return {
      url = "/x",
      headers = {
        Authorization = string.format(
          'Hmac keyId="anna", algorithm="hmac-sha256", created=%s, '
            .. 'headers="(request-target) (created)", signature="%s"',
          created, signature
        ),
      },
    }
  end

  it("lets signed requests pass", function()
    local r = run("hmac", { options = options, request = signed(math.floor(now()), "secret") })
    expect(r.status).to_be(200)
    expect(r.request.headers["X-User"]).to_be("anna")
  end)

  it("refuses wrong signatures, old ones and none", function()
    local function status(request)
      return run("hmac", { options = options, request = request }).status
    end
    expect(status(signed(math.floor(now()), "other"))).to_be(401)
    expect(status(signed(math.floor(now()) - 3600, "secret"))).to_be(401)
    expect(status("GET /x")).to_be(401)
  end)
end)
