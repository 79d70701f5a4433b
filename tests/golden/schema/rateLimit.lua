---@meta

---Lets so many requests pass in a time.
---@class rateLimit.options
---@field average integer Requests in a period; 0 for any number.
---@field burst integer Requests that may come at once.
---@field period number What `average` speaks of.
---@field redis? rateLimit.options.redis A Redis server that keeps the counters for several routers.
---@field sourceCriterion? rateLimit.options.sourceCriterion What requests are counted by; the client's address unless set.

---@class rateLimit.options.redis
---@field db integer The database's number.
---@field dialTimeout number How long a connection may take to be made.
---@field endpoints string[] Addresses with ports.
---@field maxActiveConns integer Connections in use at most; 0 for any number.
---@field minIdleConns integer Idle connections at least.
---@field password? string The password.
---@field poolSize integer Connections at most; 0 for ten a core.
---@field readTimeout number How long a read may take.
---@field tls? rateLimit.options.redis.tls TLS towards Redis.
---@field username? string The user's name.
---@field writeTimeout number How long a write may take.

---@class rateLimit.options.redis.tls
---@field ca? string The authorities the server's certificate must come from: a path or PEM text.
---@field caOptional? boolean Deprecated: it has no effect on a TLS client. Without effect.
---@field cert? string The client's certificate: a path or PEM text.
---@field insecureSkipVerify boolean Whether the server's certificate is taken unchecked.
---@field key? string The client's private key: a path or PEM text.

---@class rateLimit.options.sourceCriterion
---@field ipStrategy? rateLimit.options.sourceCriterion.ipStrategy Which address is the client's.
---@field requestHeaderName? string A request header.
---@field requestHost boolean The request's host.

---@class rateLimit.options.sourceCriterion.ipStrategy
---@field depth integer The place in `X-Forwarded-For`, counted from the right.
---@field excludedIPs? string[] Addresses that are passed over.
---@field ipv6Subnet? integer The length of the IPv6 network that counts as one client.
