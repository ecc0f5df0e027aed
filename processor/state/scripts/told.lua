-- Keep what a receiver was told. A leader that slept through its lease sets no cursor back.
-- KEYS: cursors, told
-- ARGV: receiver, cursor, then fingerprint, JSON (empty to forget it), …
-- Returns the cursor that is stored.
local function place(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end
for n = 3, #ARGV, 2 do
  if ARGV[n + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[n])
  else
    redis.call('HSET', KEYS[2], ARGV[n], ARGV[n + 1])
  end
end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local ms, number = place(stored)
  local new_ms, new_number = place(ARGV[2])
  if new_ms < ms or (new_ms == ms and new_number <= number) then
    return stored
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
