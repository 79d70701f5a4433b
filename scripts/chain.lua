-- Stands for a list of other middlewares, which are run in its place.
return {
  schema = {
    doc = "Stands for a list of other middlewares, which are run in its place.",
    standalone = false,
    middlewares = {
      type = "list", of = "middleware", default = {},
      doc = "Names of middlewares, in the order they run.",
    },
  },
  expand = "middlewares",
}
