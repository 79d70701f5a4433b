---@meta

---@class everything.options
---@field free? any
---@field limits? table<string, everything.options.limits>
---@field mode? "Fast"|"safe" Deprecated: use `share`.
---@field port integer|string
---@field rules? everything.options.rules[]
---@field share number
---@field text? string
---@field token? string
---@field transport? string
---@field wait? number

---@class everything.options.limits
---@field size integer

---@class everything.options.rules
---@field match string
---@field to? string|string[]
