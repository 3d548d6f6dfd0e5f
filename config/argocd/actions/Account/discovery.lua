-- What can be done to an Account from Argo CD: this one's removal is approved, and no other.
return {
  ["approve-deletions"] = { disabled = (obj.status or {}).state ~= "Held" },
}
