-- Decide segments once for everybody: first come, first served, up to the cap.
-- KEYS: the set's admitted segments.  ARGV: cap, then candidates.
-- Returns {1 if the set is full now, then each admitted candidate}.
local cap = tonumber(ARGV[1])
local size = redis.call('SCARD', KEYS[1])
local admitted = {0}
for i = 2, #ARGV do
  if redis.call('SISMEMBER', KEYS[1], ARGV[i]) == 1 then
    admitted[#admitted + 1] = ARGV[i]
  elseif size < cap then
    redis.call('SADD', KEYS[1], ARGV[i])
    size = size + 1
    admitted[#admitted + 1] = ARGV[i]
  end
end
if size >= cap then
  admitted[1] = 1
end
return admitted
