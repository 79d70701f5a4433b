-- Replaces text in HTML answers, compressed ones too. Everything else is left to stream.
return {
  schema = {
    replace = {
      type = "list", required = true, of = {
        type = "object",
        fields = {
          pattern = { type = "regex", required = true, doc = "What is looked for." },
          with = { type = "string", default = "", doc = "What stands in its place; $1 is a group." },
        },
      },
      doc = "What is replaced, in this order.",
    },
  },

  setup = function(options)
    local all = {}
    for i, item in ipairs(options.replace) do
      all[i] = { expression = re.compile(item.pattern), with = item.with }
    end
    return all
  end,

  response = function(res, ctx)
    local kind = res.headers["Content-Type"] or ""
    if res.status == 304 or kind:sub(1, 9) ~= "text/html" then return end
    if res.headers["Content-Encoding"] and not res:decode() then return end
    local text = res:body({ limit = 4 * 1024 * 1024 })
    for _, item in ipairs(ctx.state) do text = item.expression:replace(text, item.with) end
    res.body = text
    res.headers["ETag"] = nil
  end,
}
