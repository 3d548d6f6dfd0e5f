if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["identity.tegata.dev/suspended"] = "true"
return obj
