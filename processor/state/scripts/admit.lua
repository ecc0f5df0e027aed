-- Decide segments once for everybody: first come, first served, up to the cap.
-- KEYS: the set's admitted segments.  ARGV: cap, then candidates.
-- Returns {0, each candidate}: all were admitted; or, where the set is full now, {1, each segment
-- that was ever admitted}: whoever asked will not ask again, and others' segments are its own too.
local cap = tonumber(ARGV[1])
local size = redis.call('SCARD', KEYS[1])
local answer = {0}
for i = 2, #ARGV do
  if redis.call('SISMEMBER', KEYS[1], ARGV[i]) == 1 then
    answer[#answer + 1] = ARGV[i]
  elseif size < cap then
    redis.call('SADD', KEYS[1], ARGV[i])
    size = size + 1
    answer[#answer + 1] = ARGV[i]
  end
end
if size >= cap then
  answer = redis.call('SMEMBERS', KEYS[1])
  table.insert(answer, 1, 1)
end
return answer
