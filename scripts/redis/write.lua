-- Carries out writes to one bucket, in order. Answers a text with a digit for each: 0 stored,
-- 1 fenced, 2 too large, 3 its condition failed.
--
-- KEYS[3..]  for each write the entry, then the sorted sets of its new tags
-- ARGV[4]    for each write 13 bytes: what to do (1), how many new tags (2), the key's cell (2), and
--            when it ends (8): Unix ms as a double, negative for never.
--            'F' fill, 'S' set, 'U' update, 'P' put if unchanged, 'N' put if there is none, 'T' touch;
--            's' and 'u' are a set and an update of a value that is too large
-- ARGV[5..]  for each write
--   the record; for 'T' the new times, 16 bytes. One of at most 16384 bytes comes without its stamp,
--   which is put before it; a longer one is not copied for that, and its stamp is written over
--   and, but for an 'S' without tags, the rest in one text: the stamp (16; for 'F', 'U', 'u', 'P'
--   and 'N': incarnation and mark), the token that is expected (8; for 'P' and 'T'), and the cells
--   of the new tags, 2 bytes each

local SHORT = 16384
local EACH = 13
local UNTAGGED = '\0\0\0\0\1'

-- Of every write: found once.
local KEYS, ARGV, FENCE = KEYS, ARGV, KEYS[1]
local writes = ARGV[4]

local RAISING = { [byte('S')] = true, [byte('U')] = true, [byte('s')] = true, [byte('u')] = true }

local mark
for at = 1, #writes, EACH do
  if RAISING[byte(writes, at)] then
    mark = bytes(advance())
    break
  end
end

local function index(tag_set, key, ends)
  call('ZADD', tag_set, ends < 0 and '+inf' or whole(ends), key)
  local passed = call('ZRANGEBYSCORE', tag_set, '-inf', '(' .. now_ms, 'LIMIT', 0, 8)
  if #passed > 0 then
    call('ZREM', tag_set, unpack(passed))
  end
end

-- Puts a record in place, whatever was there.
local function put(name, ends, record, stamp)
  local is_long = #record > SHORT
  if not is_long then
    record = stamp .. record
  end
  if ends < 0 then
    call('SET', name, record)
  elseif ends > now then
    call('PSETEX', name, whole(ends - now), record)
  else
    call('UNLINK', name)
    return
  end
  if is_long then
    call('SETRANGE', name, '0', stamp)
  end
end

local function store(name, key, sets, old, ends, record, stamp)
  local kept
  if #sets > 0 then
    kept = {}
    for _, tag_set in ipairs(sets) do
      index(tag_set, key, ends)
      kept[tag_set] = true
    end
  end
  put(name, ends, record, stamp)
  if old then
    for _, tag in ipairs(tags_of(old)) do
      local tag_set = ARGV[3] .. 't:' .. tag
      if not (kept and kept[tag_set]) then
        unindex(tag_set, key)
      end
    end
  end
  return '0'
end

local function fill(name, key, sets, old, stamp, cells, ends, record)
  if old and number(sub(old, 1, 8)) > number(sub(stamp, 9, 16)) then
    return '1'
  end
  if not admits(stamp, cells) then
    return '1'
  end
  return store(name, key, sets, old, ends, record, sub(stamp, 9, 16))
end

-- Takes the place of an entry. It may be made of that, and is no newer: an invalidation that was
-- raised before that was read, and has not come to it yet, removes what stands there. It would not
-- find what no longer bears the tag that it names.
local function replace(name, key, sets, old, stamp, cells, ends, record)
  local own = sub(old, 1, 8)
  if number(own) > number(sub(stamp, 9, 16)) or not admits(stamp, cells) then
    return '1'
  end
  local kept = {}
  for _, tag_set in ipairs(sets) do
    kept[tag_set] = true
  end
  local tags, tag_cells = tags_of(old)
  for at, tag in ipairs(tags) do
    local cell_at = CELLS_AT + 8 * unpack_at('<I2', tag_cells, 2 * at - 1)
    if not kept[ARGV[3] .. 't:' .. tag]
        and number(call('GETRANGE', KEYS[1], whole(cell_at), whole(cell_at + 7))) > number(own) then
      return '1'
    end
  end
  return store(name, key, sets, old, ends, record, own)
end

local function touch(name, key, old, token, ends, times)
  if not old or sub(old, 25, 32) ~= token or number(sub(old, 9, 16)) == 0 then
    return '3'
  end
  local tags = tags_of(old)
  -- A set that was made here while its other members are still to come would be written over.
  for _, tag in ipairs(tags) do
    refuse_if_apart(ARGV[3] .. 't:' .. tag)
  end
  for _, tag in ipairs(tags) do
    index(ARGV[3] .. 't:' .. tag, key, ends)
  end
  call('SETRANGE', name, '8', times)
  if ends < 0 then
    call('PERSIST', name)
  else
    call('PEXPIREAT', name, whole(ends))
  end
  return '0'
end

local function change(action, name, key, sets, old, stamp, cells, ends, record)
  local admitted = true
  if action == 'U' or action == 'u' then
    local old_cells = ''
    if old then
      local _
      _, old_cells = tags_of(old)
    end
    -- What this script has raised itself counts, but not its having moved the counter.
    admitted = admits(stamp, cells .. old_cells)
  end
  raise(sub(cells, 1, 2), mark)
  if admitted and (action == 'S' or action == 'U') then
    return store(name, key, sets, old, ends, record, mark)
  end
  remove_entry(name, key, old)
  return admitted and '2' or '1'
end

local key_at, argument, place = #ARGV[3] + 3, 5, 3

-- A write that needs more than its record, or comes upon more than an entry without tags.
local function carry_out(action, tags, ends, at, name, record)
  local rest, sets = '', {}
  if action ~= 'S' or tags > 0 then
    rest = ARGV[argument]
    argument = argument + 1
  end
  for tag = 1, tags do
    sets[tag] = KEYS[place]
    place = place + 1
  end
  local key = sub(name, key_at)
  local stamp, token = sub(rest, 1, 16), sub(rest, 17, 24)
  local cells = sub(writes, at + 3, at + 4) .. sub(rest, 25)
  local old = read_entry(name)
  if action == 'T' then
    return touch(name, key, old, token, ends, record)
  elseif action == 'F' then
    return fill(name, key, sets, old, stamp, cells, ends, record)
  elseif action == 'P' or action == 'N' then
    local found = old and sub(old, 25, 32) or ''
    local long_by = #record > SHORT and 8 or 0
    if found ~= '' and found == sub(record, 17 + long_by, 24 + long_by) then
      -- This very write, sent again because its answer was lost.
      return '0'
    elseif found == (action == 'P' and token or '') then
      return (old and replace or fill)(name, key, sets, old, stamp, cells, ends, record)
    end
    return '3'
  end
  return change(action, name, key, sets, old, stamp, cells, ends, record)
end

local outcomes = {}
for write = 1, #writes / EACH do
  local at = (write - 1) * EACH + 1
  local action, tags, cell, ends = unpack_at('<c1I2I2d', writes, at)
  local name, record = KEYS[place], ARGV[argument]
  place, argument = place + 1, argument + 1
  local outcome
  if action == 'S' and tags == 0 then
    -- Most of them: what is there is only asked whether it has tags.
    local seen = try('GETRANGE', name, '44', '48')
    if seen == UNTAGGED or seen == '' then
      call('SETRANGE', FENCE, whole(CELLS_AT + 8 * cell), mark)
      put(name, ends, record, mark)
      outcome = '0'
    end
  end
  outcomes[write] = outcome or carry_out(action, tags, ends, at, name, record)
end
return table.concat(outcomes)
