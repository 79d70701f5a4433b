-- Refuses programs by what they call themselves, and browsers that do not say what they are.
return {
  schema = {
    agents = {
      type = "list", of = "regex", default = { "(?i)gptbot|ccbot|bytespider" },
      doc = "Expressions for the header User-Agent.",
    },
    empty = { type = "boolean", default = true, doc = "Whether requests without it are refused." },
  },

  setup = function(options)
    local all = {}
    for i, text in ipairs(options.agents) do all[i] = re.compile(text) end
    return all
  end,

  request = function(req, ctx)
    if req.path == "/robots.txt" then return end
    local agent = req.headers:get("User-Agent") or ""
    if agent == "" and ctx.options.empty then return respond(403) end
    for _, expression in ipairs(ctx.state) do
      if expression:test(agent) then return respond(403) end
    end
  end,
}
