-- What can be done to a Member from Argo CD.
local suspended = obj.spec ~= nil and obj.spec.suspended == true
return {
  ["reset-password"] = { disabled = suspended },
  ["suspend"] = { disabled = suspended },
  ["resume"] = { disabled = not suspended },
}
