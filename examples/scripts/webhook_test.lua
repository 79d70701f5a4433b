describe("webhook", function()
  local function ask(body, signed)
    local signature = "sha256=" .. crypto.hmac("sha256", "s3cret", signed, "hex")
    return run("webhook", {
      options = { secret = "s3cret" },
      request = { method = "POST", body = body, headers = { ["X-Hub-Signature-256"] = signature } },
    })
  end

  it("lets signed bodies pass as they are", function()
    local r = ask("{}", "{}")
    expect(r.status).to_be(200)
    expect(r.request.body).to_be("{}")
    expect(ask("{ }", "{}").status).to_be(403)
    expect(run("webhook", { options = { secret = "x" } }).status).to_be(403)
  end)
end)
