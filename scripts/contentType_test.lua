describe("contentType", function()
  it("tells the type of an answer without one", function()
    local r = run("contentType", { upstream = "<html><body>hello" })
    expect(r.headers["Content-Type"]).to_be("text/html; charset=utf-8")
    expect(r.body).to_be("<html><body>hello")
  end)

  it("leaves a type that is there, and empty answers", function()
    local typed = { body = "<html>", headers = { ["Content-Type"] = "text/plain" } }
    expect(run("contentType", { upstream = typed }).headers["Content-Type"]).to_be("text/plain")
    expect(run("contentType", { upstream = "" }).headers["Content-Type"]).to_be_nil()
  end)
end)
