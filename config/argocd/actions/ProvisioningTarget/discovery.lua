-- What can be done to a ProvisioningTarget from Argo CD.
local suspended = (obj.metadata.annotations or {})["identity.tegata.dev/suspended"] == "true"
local accounts = (obj.status or {}).accounts or {}
return {
  ["sync-now"] = { disabled = suspended },
  ["suspend"] = { disabled = suspended },
  ["resume"] = { disabled = not suspended },
  ["approve-deletions"] = { disabled = (accounts.held or 0) == 0 },
}
