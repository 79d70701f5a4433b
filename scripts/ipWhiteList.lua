-- The older name of ipAllowList.
return { alias_of = "ipAllowList" }
