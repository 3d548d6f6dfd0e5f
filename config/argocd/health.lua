-- Health of Tegata's resources for Argo CD. The conditions follow kstatus; see docs/gitops.md.
local status = obj.status or {}
local spec = obj.spec or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready or {}
local message = ready.message or "Waiting for the operator."

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "Being deleted. " .. message }
end
-- What is said of an older generation says nothing of this one.
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator." }
end
if conditions.Reconciling ~= nil and conditions.Reconciling.status == "True" then
  return { status = "Progressing", message = conditions.Reconciling.message }
end
if conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  return { status = "Degraded", message = conditions.Stalled.message }
end
if ready.status ~= "True" or ready.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = message }
end
if obj.kind == "Member" and spec.suspended == true then
  return { status = "Suspended", message = "Refused at log-in, as spec.suspended says." }
end
if obj.kind == "ProvisioningTarget" and (obj.metadata.annotations or {})["identity.tegata.dev/suspended"] == "true" then
  return { status = "Suspended", message = message }
end
return { status = "Healthy", message = message }
