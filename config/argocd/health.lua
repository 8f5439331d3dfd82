-- What Argo CD shows of Switchboard's kinds, by their conditions. One script for all: they keep the same convention (docs/concepts.md).
-- `make generate` copies it into argocd-cm.yaml. Argo CD gives it `obj`, and none of Lua's libraries but tables.

-- A promise is broken, or somebody must mend something, though the operator goes on trying.
local degraded = {
  OutsideRegion = true, EgressClosed = true, GlassBroken = true, TenantsOutside = true, StorageNotBound = true, TransferNotCovered = true,
  BucketMisplaced = true, BucketVersioned = true, PolicyNotEnforced = true, Unbounded = true, EvidenceBroken = true, Overdue = true,
  RunFailed = true, PastDue = true, ExportFailed = true, MigrationFailed = true, CredentialsRefused = true, CredentialsExpired = true,
  CredentialsNotAllowed = true, CredentialsElsewhere = true, AccountSuspended = true, WebhookRefused = true, ReceiverGone = true,
  EventsGivenUp = true, NoNodes = true, MoveFailed = true, RolloutOverdue = true,
}

-- Nothing is wrong: it was asked for, or waits for a person's word.
local suspended = {
  Suspended = true, Blocked = true, DryRun = true, ChangePlanned = true, MovePlanned = true, Held = true, HeldBack = true, RolloutPaused = true,
}

local function told(status, condition)
  local message = condition.message
  if message == nil or message == "" then
    message = condition.reason
  end
  return { status = status, message = condition.type .. ": " .. message }
end

if obj.status == nil or obj.status.conditions == nil then
  return { status = "Progressing", message = "the operator has not looked at it yet" }
end

local summary, worst, paused = {}, nil, nil
for _, c in ipairs(obj.status.conditions) do
  if c.type == "Ready" or c.type == "Reconciling" or c.type == "Stalled" or c.type == "Terminating" then
    summary[c.type] = c
  elseif c.status ~= "True" then
    if degraded[c.reason] and worst == nil then
      worst = c
    elseif suspended[c.reason] and paused == nil then
      paused = c
    end
  end
end

if obj.metadata.deletionTimestamp ~= nil then
  local c = summary.Terminating or summary.Ready
  if c == nil then
    return { status = "Progressing", message = "it is being deleted" }
  elseif degraded[c.reason] then
    return told("Degraded", c)
  elseif suspended[c.reason] then
    return told("Suspended", c)
  end
  return told("Progressing", c)
end
-- What was judged of an older spec says nothing of this one.
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not looked at this spec yet" }
end
if worst ~= nil then
  return told("Degraded", worst)
end
if summary.Stalled ~= nil and summary.Stalled.status == "True" then
  local status = "Degraded"
  if suspended[summary.Stalled.reason] then
    status = "Suspended"
  end
  return told(status, summary.Stalled)
end
if paused ~= nil then
  return told("Suspended", paused)
end
if summary.Ready == nil then
  return { status = "Progressing", message = "the operator has not judged it yet" }
end
if summary.Ready.status == "True" then
  return told("Healthy", summary.Ready)
end
return told("Progressing", summary.Ready)
