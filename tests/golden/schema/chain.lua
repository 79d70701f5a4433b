---@meta

---@class chain.options
---@field middlewares string[] The middlewares that stand in its place, in their order.
