---@meta

---Answers with the page of another service in place of errors.
---@class errors.options
---@field errorRequestHeaders? string[] Request headers that go with the request for the page.
---@field query? string The path of a page; `{status}`, `{originalStatus}` and `{url}` are replaced.
---@field service string The service that has the pages.
---@field status? string[] Statuses and ranges of them, such as `500-599`.
---@field statusRewrites? table<string, integer> Statuses that clients get in place of others.
