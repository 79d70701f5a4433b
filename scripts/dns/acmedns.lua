-- The same as acme-dns, spelled without the dash.
return { alias_of = "acme-dns" }
