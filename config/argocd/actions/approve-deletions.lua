-- Approves what the deletion guard holds now: the annotation's value is new each time.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["identity.tegata.dev/approve-deletions"] = "Argo CD, " .. os.date("!%Y-%m-%dT%XZ")
return obj
