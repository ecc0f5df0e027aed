-- What the partitions of one base tell one another: see processor/core/base_register.py.
-- KEYS: clocks (hash), snapshots (sorted set by version), state (hash: version, horizon)
-- ARGV: partition, how many partitions there are (0: not known), clock, detail, too late, since,
--       number of snapshots announced a, then a snapshots, then snapshots to forget
-- Returns {horizon, version, snapshots since …}.
local clocks, snapshots, state = KEYS[1], KEYS[2], KEYS[3]
local partitions, clock, announced = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[7])

local last = tonumber(redis.call('HGET', clocks, ARGV[1]) or '0')
redis.call('HSET', clocks, ARGV[1], string.format('%.0f', math.max(last, clock)))

local version = tonumber(redis.call('HGET', state, 'version') or '0')
for i = 8, 7 + announced do
  if not redis.call('ZSCORE', snapshots, ARGV[i]) then
    version = version + 1
    redis.call('ZADD', snapshots, version, ARGV[i])
  end
end
for i = 8 + announced, #ARGV do
  redis.call('ZREM', snapshots, ARGV[i])
end

local slowest, fastest = math.huge, 0
for _, clock in ipairs(redis.call('HVALS', clocks)) do
  slowest = math.min(slowest, tonumber(clock))
  fastest = math.max(fastest, tonumber(clock))
end
local horizon = tonumber(redis.call('HGET', state, 'horizon') or '0')
-- A partition that has not told its clock yet may be as far behind as any.
if partitions > 0 and redis.call('HLEN', clocks) >= partitions then
  horizon = math.max(horizon, slowest - tonumber(ARGV[4]), fastest - tonumber(ARGV[5]))
end
redis.call('HSET', state, 'version', version, 'horizon', string.format('%.0f', horizon))

local answer = redis.call('ZRANGEBYSCORE', snapshots, '(' .. ARGV[6], '+inf')
table.insert(answer, 1, version)
table.insert(answer, 1, string.format('%.0f', horizon))
return answer
