---@meta

---Compresses responses.
---@class compress.options
---@field defaultEncoding? "gzip"|"br"|"zstd" The encoding for clients that do not say what they take.
---@field encodings ("gzip"|"br"|"zstd")[] Encodings in the order of preference.
---@field excludedContentTypes? string[] Types of content that stay as they are.
---@field includedContentTypes? string[] The only types of content that are compressed.
---@field minResponseBodyBytes integer Smaller bodies stay as they are.
