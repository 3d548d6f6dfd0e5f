-- What can be done to a Tenant from Argo CD.
local deletions = (obj.status or {}).deletions or {}
return {
  ["approve-deletions"] = { disabled = (deletions.held or 0) == 0 },
}
