-- Take over a partition: from here on only flushes with the new epoch are accepted.
-- KEYS: meta, probe.  ARGV: owner, the topic's id ('' where the broker does not tell it).
-- Returns the meta hash, epoch included. The id stored is that of the topic that was counted.
--
-- Each command that a flush uses is tried first on a key of no meaning: a user who may not do one
-- of them is refused here, and not in the middle of a flush with half of it written.
local probe = KEYS[2]
redis.call('UNLINK', probe)
redis.call('SADD', probe, 'x')
redis.call('SREM', probe, 'x')
redis.call('HSET', probe, 'x', 1)
redis.call('HINCRBY', probe, 'x', 1)
redis.call('HGET', probe, 'x')
redis.call('HLEN', probe)
redis.call('HDEL', probe, 'x')
redis.call('APPEND', probe, 'x')
redis.call('UNLINK', probe)
redis.call('XADD', probe, '*', 'x', 1)
redis.call('UNLINK', probe)

redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'seq', 0)
if ARGV[2] ~= '' and redis.call('HEXISTS', KEYS[1], 'offset') == 0 then
  redis.call('HSET', KEYS[1], 'topic_id', ARGV[2])
elseif ARGV[2] ~= '' then
  redis.call('HSETNX', KEYS[1], 'topic_id', ARGV[2])
end
return redis.call('HGETALL', KEYS[1])
