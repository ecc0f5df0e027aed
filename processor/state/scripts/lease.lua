-- Hold or take the publisher's lease. Its token carries an epoch that only grows: the fence.
-- KEYS: lease, epoch.  ARGV: holder, time to live in ms.
-- Returns {epoch, 1 if taken now} for the holder, {0, 0} for everybody else.
local token = redis.call('GET', KEYS[1])
if token then
  local epoch, holder = string.match(token, '^(%d+):(.*)$')
  if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {tonumber(epoch), 0}
  end
  return {0, 0}
end
local epoch = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], epoch .. ':' .. ARGV[1], 'PX', ARGV[2])
return {epoch, 1}
