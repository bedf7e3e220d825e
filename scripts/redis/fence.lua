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
-- Besides the keys that a caller names, scripts read and change entries and tag sets of the same
-- bucket that they come upon. While a slot is being moved, a part of its keys is on one server and a
-- part on the other, and a script runs where all that its caller named is. The server that the slot
-- leaves refuses it a key that has gone. The one that it comes to gives it a key that has not come
-- yet as one that does not exist, and refuses it only in a command that names another key, too. So:
--   * An error is never taken for a key that is not there; the caller makes the call again.
--   * Before anything follows from a key's not being there, `refuse_if_apart` asks for it once more.
--   * A key that stays in a tag set although its entry does not bear the tag, or is gone, is no harm.
--     The reverse is: an entry that its tag set does not name is not found by an invalidation.
--   * What is written stands in an order that leaves nothing wrong behind if the script is refused in
--     the middle: the counter, cells, tag sets, and last the entry.

local CELLS_AT = 88

-- Found once and not at each of many calls.
local call, try = redis.call, redis.pcall
local pack, unpack_at = struct.pack, struct.unpack
local sub, byte, format = string.sub, string.byte, string.format

local function number(text)
  return (unpack_at('<I8', text))
end

local function bytes(value)
  return pack('<I8', value)
end

-- A whole number as text. As a number, Redis would write it out with 17 digits, which takes longer.
local function whole(value)
  return format('%d', value)
end

local time = call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)
local now_ms = format('%.0f', now)
local run_id = string.match(call('INFO', 'server'), 'run_id:(%w+)') or ''
run_id = sub(run_id .. string.rep('-', 40), 1, 40)

local head = call('GETRANGE', KEYS[1], 0, CELLS_AT - 1)
local count = call('GET', KEYS[2])
if #head > 0 and sub(head, 1, 32) ~= ARGV[1] then
  return redis.error_reply('TIERSLAYOUT the fence ' .. KEYS[1] .. ' was made with other settings: '
    .. sub(head, 1, 32))
end

local incarnation, counter, floor
if #head == CELLS_AT and count and #count == 16 and sub(head, 33, 72) == run_id
    and sub(head, 73, 80) == sub(count, 1, 8) then
  incarnation = sub(count, 1, 8)
  counter = number(sub(count, 9, 16))
  floor = number(sub(head, 81, 88))
else
  -- Nothing is known of what was raised before: all that is being loaded is refused.
  incarnation = ARGV[2]
  counter = now_us
  if count and #count == 16 then
    counter = math.max(counter, number(sub(count, 9, 16)) + 1)
  end
  floor = counter
  -- The first write decides whether a script is refused for lack of memory, and this one is not.
  call('PERSIST', KEYS[1])
  call('SET', KEYS[1], ARGV[1] .. run_id .. incarnation .. bytes(floor)
    .. string.rep('\0', 32768))
  call('SET', KEYS[2], incarnation .. bytes(counter))
end

-- Raises the counter past every stamp that was handed out; the mark for what is raised with it.
local function advance()
  counter = math.max(counter + 1, now_us)
  call('SET', KEYS[2], incarnation .. bytes(counter))
  return counter
end

-- Raises cells, given as 2 bytes each, to a mark that `advance` gave, as bytes: none is above it.
local function raise(cells, mark)
  for at = 1, #cells, 2 do
    call('SETRANGE', KEYS[1], whole(CELLS_AT + 8 * unpack_at('<I2', cells, at)), mark)
  end
end

-- Whether a value whose load began at `stamp` (incarnation and mark) may be stored.
local function admits(stamp, cells)
  if sub(stamp, 1, 8) ~= incarnation then
    return false
  end
  local mark = number(sub(stamp, 9, 16))
  -- A mark above the counter was given out in another life of the table.
  if mark < floor or mark > counter then
    return false
  end
  if mark == counter then
    return true
  end
  for at = 1, #cells, 2 do
    local cell_at = CELLS_AT + 8 * unpack_at('<I2', cells, at)
    if number(call('GETRANGE', KEYS[1], whole(cell_at), whole(cell_at + 7))) > mark then
      return false
    end
  end
  return true
end

-- Fails if a key that the caller did not name may be on the other side of a slot that is being
-- moved. The fence is here.
local function refuse_if_apart(name)
  call('EXISTS', KEYS[1], name)
end

-- The part of an entry before its envelope, or nil where there is none or another program's.
local function read_entry(name)
  local entry = try('GETRANGE', name, '0', '127')
  if type(entry) == 'table' then
    if not string.find(entry.err, 'WRONGTYPE', 1, true) then
      -- Fails as it did.
      call('GETRANGE', name, '0', '127')
    end
    return nil
  end
  if #entry < 50 or byte(entry, 49) ~= 1 then
    return nil
  end
  local tags_bytes = unpack_at('<I4', entry, 45)
  if 50 + tags_bytes > #entry then
    entry = call('GETRANGE', name, 0, 49 + tags_bytes)
  end
  return entry
end

local NO_TAGS = {}

-- The texts and the cells of an entry's tags; not to be changed.
local function tags_of(entry)
  if sub(entry, 45, 48) == '\0\0\0\0' then
    return NO_TAGS, ''
  end
  local tags, cells = {}, {}
  local at, last = 51, math.min(#entry, 50 + unpack_at('<I4', entry, 45))
  while at + 3 <= last do
    local length = unpack_at('<I2', entry, at + 2)
    tags[#tags + 1] = sub(entry, at + 4, at + 3 + length)
    cells[#cells + 1] = sub(entry, at, at + 1)
    at = at + 4 + length
  end
  return tags, table.concat(cells)
end

-- Takes a key out of a tag set that the caller did not name. In one that has gone to another server
-- it stays until the tag is invalidated or its time has passed.
local function unindex(tag_set, key)
  local answer = try('ZREM', tag_set, key)
  if type(answer) == 'table' and not string.find(answer.err, 'non local key', 1, true) then
    -- Fails as it did.
    call('ZREM', tag_set, key)
  end
end

-- Removes an entry with its tags; `key` is its key without what the bucket puts before it.
local function remove_entry(name, key, entry)
  call('UNLINK', name)
  if entry then
    for _, tag in ipairs(tags_of(entry)) do
      unindex(ARGV[3] .. 't:' .. tag, key)
    end
  end
end
