"""The Redis store's scripts: a partition's data and its changelog offset in one step."""

from typing import Final

# Reads the offset field; one that belongs to another changelog topic counts as none.
_STORED: Final = """
local function stored_offset()
  local field = redis.call('HGET', KEYS[1], '@')
  local offset, topic = string.match(field or '', '^(%d+):(.*)$')
  if topic == ARGV[1] then return tonumber(offset) end
  return -1
end
"""

# ARGV: topic, expected offset, then (offset, 'set' or 'del', field, value) for each record.
# Returns the offset found. Redis runs it as one: nobody sees half a batch, or data without offset.
APPLY: Final = (
    _STORED
    + """
local stored, last = stored_offset(), -1
for i = 3, #ARGV, 4 do
  local offset = tonumber(ARGV[i])
  if offset > stored then
    if ARGV[i + 1] == 'set' then
      redis.call('HSET', KEYS[1], ARGV[i + 2], ARGV[i + 3])
    else
      redis.call('HDEL', KEYS[1], ARGV[i + 2])
    end
    if offset > last then last = offset end
  end
end
if stored >= tonumber(ARGV[2]) and last >= 0 then
  redis.call('HSET', KEYS[1], '@', string.format('%.0f:%s', last, ARGV[1]))
end
return stored
"""
)

# ARGV: topic, expected offset, new offset. Returns the offset found.
ADVANCE: Final = (
    _STORED
    + """
local stored, offset = stored_offset(), tonumber(ARGV[3])
if stored >= tonumber(ARGV[2]) and offset > stored then
  redis.call('HSET', KEYS[1], '@', string.format('%.0f:%s', offset, ARGV[1]))
end
return stored
"""
)

CLEAR: Final = """
local offset = redis.call('HGET', KEYS[1], '@')
redis.call('UNLINK', KEYS[1])
if offset then redis.call('HSET', KEYS[1], '@', offset) end
"""
