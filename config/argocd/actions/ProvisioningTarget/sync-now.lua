-- Asks for a comparison of all accounts: the annotation's value is new each time.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["identity.tegata.dev/sync-now"] = os.date("!%Y-%m-%dT%XZ")
return obj
