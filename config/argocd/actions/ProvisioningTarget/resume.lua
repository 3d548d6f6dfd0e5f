obj.metadata.annotations["identity.tegata.dev/suspended"] = nil
return obj
