-- One partition's flush: fence, deltas, samples, ids, sessions, customers and next offset, all or
-- nothing.
--
-- KEYS: meta, panes, generations, sessions, log, then every pane and generation named below: a
-- cluster that is moving some of them to another node refuses the whole flush, which is tried again
-- ARGV: base, epoch, seq ('<writer>:<n>', n from 1 after a claim), expected offset ('' for none),
--       next offset,
--       deltas: JSON {"<pane_ms>:<start>": {series: {measure: n}}},
--       status: JSON {"clock":…,"watermark":…,"open_sessions":…,"lag":…,"complete_from":…,
--       "rebuild_to":…}, stats: JSON {name: n},
--       drop: JSON {"panes":[…],"generations":[…],"customers":[…]}, log length,
--       samples to append: (pane, field, entries) …, each with its length before it,
--       samples that were merged: (pane, field, bytes to replace, replacement) …, likewise,
--       a length that is long for a sample,
--       generation of customers, since when,
--       customers: (key, entry) …, likewise,
--       sessions: (key, entry) …, likewise, an empty entry to forget one,
--       then for each generation of ids: number, ids, contents
-- Returns {'ok', customers in the generation, then pane, field, length of each long sample …} |
--         {'fenced', epoch stored} | {'moved', offset stored}.
--
-- The first write is a plain call, so a Redis that is full or read-only refuses the whole flush
-- before anything is written; after it nothing below can fail half way.
local meta, panes, generations, sessions, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local base, epoch, seq, expected, offset = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local stored = redis.call('HMGET', meta, 'epoch', 'seq', 'offset', 'log_id')
if stored[1] ~= epoch then
  if tonumber(stored[1] or 0) > tonumber(epoch) then
    return {'fenced', stored[1]}
  end
  return {'moved', stored[3] or ''} -- an epoch before ours: Redis was rolled back or emptied
end
if stored[2] == seq then
  return {'ok'} -- the same flush once more: its answer was lost, its effect was not
end
-- The flush before this one must be there, too: one that counted only what time had closed moved
-- no offset.
local writer, number = string.match(seq, '^(.*):(%d+)$')
local previous = number == '1' and '0' or string.format('%s:%d', writer, number - 1)
if stored[2] ~= previous or (stored[3] or '') ~= expected then
  return {'moved', stored[3] or ''}
end

local deltas = cjson.decode(ARGV[6])
local status = cjson.decode(ARGV[7])
local stats = cjson.decode(ARGV[8])
local drop = cjson.decode(ARGV[9])

redis.call('HSET', meta, 'seq', seq, 'offset', offset, 'clock', status.clock,
  'watermark', status.watermark, 'open_sessions', status.open_sessions,
  'lag', status.lag, 'complete_from', status.complete_from, 'rebuild_to', status.rebuild_to)

local overflows = 0
for pane, by_series in pairs(deltas) do
  local key = base .. 'p:' .. pane
  redis.call('SADD', panes, pane)
  for series, measures in pairs(by_series) do
    for measure, n in pairs(measures) do
      local reply = redis.pcall('HINCRBY', key, series .. '|' .. measure, n)
      if type(reply) == 'table' then
        overflows = overflows + 1 -- past 64 bits: keep the rest of the flush whole, and say so
        measures[measure] = nil
      elseif reply == 0 and pane == '0:0' then
        redis.call('HDEL', key, series .. '|' .. measure) -- bases: what was put together elsewhere
      end
    end
  end
end
local applied = ARGV[6]
if overflows > 0 then
  redis.call('HINCRBY', meta, 'stat:overflows', overflows)
  for _, by_series in pairs(deltas) do
    for _, measures in pairs(by_series) do
      for measure, n in pairs(measures) do -- as text: cjson would round them to 14 digits
        measures[measure] = type(n) == 'number' and string.format('%.0f', n) or n
      end
    end
  end
  applied = cjson.encode(deltas)
end
for name, n in pairs(stats) do
  redis.call('HINCRBY', meta, 'stat:' .. name, n)
end

local answer = {'ok', 0}
local merged, m = ARGV[12], 1
while m <= #merged do
  local pane, field, cut, sample
  pane, field, cut, sample, m = struct.unpack('<Hc0Hc0II', merged, m)
  sample, m = string.sub(merged, m, m + sample - 1), m + sample
  local old = redis.call('HGET', base .. 'p:' .. pane, field)
  if old and #old >= cut then
    redis.call('HSET', base .. 'p:' .. pane, field, sample .. string.sub(old, cut + 1))
  end
end
local samples, s = ARGV[11], 1
while s <= #samples do
  local pane, field, entries
  pane, field, entries, s = struct.unpack('<Hc0Hc0Ic0', samples, s)
  redis.call('SADD', panes, pane)
  local old = redis.call('HGET', base .. 'p:' .. pane, field)
  if old then
    entries = old .. entries
  end
  redis.call('HSET', base .. 'p:' .. pane, field, entries)
  if #entries > tonumber(ARGV[13]) then
    answer[#answer + 1] = pane
    answer[#answer + 1] = field
    answer[#answer + 1] = #entries
  end
end

-- Keys with entries, one behind the other, to store; and keys whose entry is empty, to forget.
local function unpacked(packed)
  local stored, forgotten, at = {}, {}, 1
  while at <= #packed do
    local key, entry
    key, entry, at = struct.unpack('<Hc0Ic0', packed, at)
    if entry == '' then
      forgotten[#forgotten + 1] = key
    else
      stored[#stored + 1] = key
      stored[#stored + 1] = entry
    end
  end
  return stored, forgotten
end
-- Some hundred with one command: each takes longer than what it does.
local function of_many(command, key, words)
  for first = 1, #words, 1000 do
    redis.call(command, key, unpack(words, first, math.min(first + 999, #words)))
  end
end

if ARGV[16] ~= '' then
  local customers = base .. 'customers:' .. ARGV[14]
  of_many('HSET', customers, (unpacked(ARGV[16])))
  redis.call('HSET', meta, 'customers', ARGV[14], 'customers_since', ARGV[15])
  answer[2] = redis.call('HLEN', customers)
end
local sessions_stored, sessions_forgotten = unpacked(ARGV[17])
of_many('HSET', sessions, sessions_stored)
of_many('HDEL', sessions, sessions_forgotten)
for at = 18, #ARGV, 3 do
  redis.call('SADD', generations, ARGV[at])
  redis.call('APPEND', base .. 'ids:' .. ARGV[at], ARGV[at + 1])
  redis.call('APPEND', base .. 'contents:' .. ARGV[at], ARGV[at + 2])
end

local n = redis.call('HINCRBY', meta, 'log', 1)
-- Each entry names the one before it: a reader notices when Redis went back to an earlier state,
-- even if as many entries were written since.
local id = redis.call('XADD', log, 'MAXLEN', '~', ARGV[10], '*', 'n', n,
  'after', stored[4] or '0-0', 'deltas', applied, 'status', ARGV[7], 'samples', samples)
redis.call('HSET', meta, 'log_id', id)

for _, pane in ipairs(drop.panes) do
  redis.call('UNLINK', base .. 'p:' .. pane)
  redis.call('SREM', panes, pane)
end
for _, generation in ipairs(drop.generations) do
  local number = string.format('%d', generation)
  redis.call('UNLINK', base .. 'ids:' .. number, base .. 'contents:' .. number)
  redis.call('SREM', generations, number)
end
for _, generation in ipairs(drop.customers) do
  redis.call('UNLINK', base .. 'customers:' .. string.format('%d', generation))
end

return answer
