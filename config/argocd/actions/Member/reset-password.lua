-- Asks for a new temporary password or a new mailed link: the annotation's value is new each time.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["identity.tegata.dev/reset-password"] = os.date("!%Y-%m-%dT%XZ")
return obj
