-- What the partitions of one base tell one another: see processor/core/base_register.py.
-- KEYS: clocks (hash), snapshots (sorted set by version), state (hash: version, horizon)
-- ARGV: partition, clock, detail, too late, since, number of snapshots announced a,
--       then a snapshots, then snapshots to forget
-- Returns {horizon, version, snapshots since …}.
local clocks, snapshots, state = KEYS[1], KEYS[2], KEYS[3]
local announced = tonumber(ARGV[6])

local last = tonumber(redis.call('HGET', clocks, ARGV[1]) or '0')
redis.call('HSET', clocks, ARGV[1], string.format('%.0f', math.max(last, tonumber(ARGV[2]))))

local version = tonumber(redis.call('HGET', state, 'version') or '0')
for i = 7, 6 + announced do
  if not redis.call('ZSCORE', snapshots, ARGV[i]) then
    version = version + 1
    redis.call('ZADD', snapshots, version, ARGV[i])
  end
end
for i = 7 + announced, #ARGV do
  redis.call('ZREM', snapshots, ARGV[i])
end

local slowest, fastest = math.huge, 0
for _, clock in ipairs(redis.call('HVALS', clocks)) do
  slowest = math.min(slowest, tonumber(clock))
  fastest = math.max(fastest, tonumber(clock))
end
local horizon = math.max(tonumber(redis.call('HGET', state, 'horizon') or '0'),
  slowest - tonumber(ARGV[3]), fastest - tonumber(ARGV[4]))
redis.call('HSET', state, 'version', version, 'horizon', string.format('%.0f', horizon))

local answer = redis.call('ZRANGEBYSCORE', snapshots, '(' .. ARGV[5], '+inf')
table.insert(answer, 1, version)
table.insert(answer, 1, string.format('%.0f', horizon))
return answer
