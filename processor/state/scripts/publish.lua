-- Publish one tick's readings and alerts, if the lease is still ours; renews it.
-- KEYS: lease, status, readings, updates, alerts, outbox
-- ARGV: token, time to live in ms, revision, revision before it, status: field count then pairs, stream length,
--       alerts: their count, then fingerprint, JSON (empty to forget it), …
--       changes of alerts: length of the outbox, their count, then JSON, …
--       then reading key, JSON, …
-- Returns 1, or 0 where the lease was lost, the revision is not newer, or the one stored is not the
-- one before: Redis went back to an earlier state, and readings with it that did not change since.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local last = tonumber(redis.call('HGET', KEYS[2], 'revision') or '0')
if tonumber(ARGV[3]) == last then
  return 1 -- the same tick once more: its answer was lost, its effect was not
end
if tonumber(ARGV[3]) < last or tonumber(ARGV[4]) ~= last then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local fields = tonumber(ARGV[5])
redis.call('HSET', KEYS[2], 'revision', ARGV[3], unpack(ARGV, 6, 5 + fields))
local length = ARGV[6 + fields]
local at = 7 + fields
local alerts = tonumber(ARGV[at])
for n = at + 1, at + 2 * alerts, 2 do
  if ARGV[n + 1] == '' then
    redis.call('HDEL', KEYS[5], ARGV[n])
  else
    redis.call('HSET', KEYS[5], ARGV[n], ARGV[n + 1])
  end
end
at = at + 1 + 2 * alerts
local outbox, changes = ARGV[at], tonumber(ARGV[at + 1])
for n = at + 2, at + 1 + changes do
  redis.call('XADD', KEYS[6], 'MAXLEN', '~', outbox, '*', 'alert', ARGV[n])
end
at = at + 2 + changes
if at <= #ARGV then
  local changed = {}
  while at < #ARGV do
    redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
    changed[#changed + 1] = ARGV[at + 1]
    at = at + 2
  end
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', length, '*',
    'revision', ARGV[3], 'readings', '[' .. table.concat(changed, ',') .. ']')
end
return 1
