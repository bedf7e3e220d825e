-- Tiers on Redis and Valkey: what every other script begins with. It reads the fence of a bucket,
-- and makes it anew where there is none or the server is no longer the one that it was made on.
--
-- KEYS[1]  the fence, a string (offsets from 0):
--            0  32 bytes  signature: layout, function that puts keys onto cells, buckets
--           32  40 bytes  run id of the server that it was made on
--           72   8 bytes  incarnation: random, made with it
--           80   8 bytes  floor
--           88   8 bytes  for each of the 4096 cells
-- KEYS[2]  the counter, a string of its own, so that a read is one MGET: incarnation, counter
-- ARGV[1]  the signature that is expected
-- ARGV[2]  8 random bytes, the incarnation of a fence that is made now
-- ARGV[3]  what the names of the bucket's keys begin with; `e:` and the key follow for an entry,
--          `t:` and the tag for the sorted set of the keys that bear a tag, by the end of each
--
-- An entry is a string:
--            0   8 bytes  stamp           8   8 bytes  fresh until, Unix ms; 0: made stale
--           16   8 bytes  kept until     24   8 bytes  token
--           32   8 bytes  created        40   4 bytes  length of the payload
--           44   4 bytes  length of the tags           48   1 byte   version of this layout
--           49   1 byte   kind           50   tags: cell (2), length (2), text; then the envelope
--
-- Numbers are little-endian. Marks are microseconds, which a double holds exactly until 2255.
--
-- Besides the keys that a caller names, scripts change entries and tag sets of the same bucket that
-- they come upon. What is written stands in an order that leaves nothing wrong behind if such a
-- change is refused in the middle, as it is while a slot is being moved: the counter, cells, tag
-- sets, and last the entry.

local CELLS_AT = 88

local function number(text)
  return (struct.unpack('<I8', text))
end

local function bytes(value)
  return struct.pack('<I8', value)
end

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = string.format('%.0f', math.floor(now_us / 1000))
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
run_id = string.sub(run_id .. string.rep('-', 40), 1, 40)

local head = redis.call('GETRANGE', KEYS[1], 0, CELLS_AT - 1)
local count = redis.call('GET', KEYS[2])
if #head > 0 and string.sub(head, 1, 32) ~= ARGV[1] then
  return redis.error_reply('TIERSLAYOUT the fence ' .. KEYS[1] .. ' was made with other settings: '
    .. string.sub(head, 1, 32))
end

local incarnation, counter, floor
if #head == CELLS_AT and count and #count == 16 and string.sub(head, 33, 72) == run_id
    and string.sub(head, 73, 80) == string.sub(count, 1, 8) then
  incarnation = string.sub(count, 1, 8)
  counter = number(string.sub(count, 9, 16))
  floor = number(string.sub(head, 81, 88))
else
  -- Nothing is known of what was raised before: all that is being loaded is refused.
  incarnation = ARGV[2]
  counter = now_us
  if count and #count == 16 then
    counter = math.max(counter, number(string.sub(count, 9, 16)) + 1)
  end
  floor = counter
  -- The first write decides whether a script is refused for lack of memory, and this one is not.
  redis.call('PERSIST', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[1] .. run_id .. incarnation .. bytes(floor)
    .. string.rep('\0', 32768))
  redis.call('SET', KEYS[2], incarnation .. bytes(counter))
end

-- Raises the counter past every stamp that was handed out; the mark for what is raised with it.
local function advance()
  counter = math.max(counter + 1, now_us)
  redis.call('SET', KEYS[2], incarnation .. bytes(counter))
  return counter
end

-- Raises cells, given as 2 bytes each, to a mark that `advance` gave: no cell is above it.
local function raise(cells, mark)
  local packed = bytes(mark)
  for at = 1, #cells, 2 do
    redis.call('SETRANGE', KEYS[1], CELLS_AT + 8 * struct.unpack('<I2', cells, at), packed)
  end
end

-- Whether a value whose load began at `stamp` (incarnation and mark) may be stored.
local function admits(stamp, cells)
  if string.sub(stamp, 1, 8) ~= incarnation then
    return false
  end
  local mark = number(string.sub(stamp, 9, 16))
  -- A mark above the counter was given out in another life of the table.
  if mark < floor or mark > counter then
    return false
  end
  if mark == counter then
    return true
  end
  for at = 1, #cells, 2 do
    local cell_at = CELLS_AT + 8 * struct.unpack('<I2', cells, at)
    if number(redis.call('GETRANGE', KEYS[1], cell_at, cell_at + 7)) > mark then
      return false
    end
  end
  return true
end

-- The part of an entry before its envelope, or nil where there is none or another program's.
local function read_entry(name)
  local entry = redis.pcall('GETRANGE', name, 0, 255)
  if type(entry) == 'table' or #entry < 50 or string.byte(entry, 49) ~= 1 then
    return nil
  end
  local tags_bytes = struct.unpack('<I4', entry, 45)
  if 50 + tags_bytes > #entry then
    entry = redis.call('GETRANGE', name, 0, 49 + tags_bytes)
  end
  return entry
end

-- The texts and the cells of an entry's tags.
local function tags_of(entry)
  local tags, cells = {}, {}
  local at, last = 51, math.min(#entry, 50 + struct.unpack('<I4', entry, 45))
  while at + 3 <= last do
    local length = struct.unpack('<I2', entry, at + 2)
    tags[#tags + 1] = string.sub(entry, at + 4, at + 3 + length)
    cells[#cells + 1] = string.sub(entry, at, at + 1)
    at = at + 4 + length
  end
  return tags, table.concat(cells)
end

-- Removes an entry with its tags; `key` is its key without what the bucket puts before it.
local function remove_entry(name, key, entry)
  redis.call('UNLINK', name)
  if entry then
    for _, tag in ipairs(tags_of(entry)) do
      redis.call('ZREM', ARGV[3] .. 't:' .. tag, key)
    end
  end
end
