obj.spec.suspended = nil
return obj
