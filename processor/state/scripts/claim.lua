-- Take over a partition: from here on only flushes with the new epoch are accepted.
-- KEYS: meta.  ARGV: owner.  Returns the meta hash, epoch included.
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'seq', 0)
return redis.call('HGETALL', KEYS[1])
