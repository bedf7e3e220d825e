-- Carries out writes to one bucket, in order. Answers a number for each: 0 stored, 1 fenced,
-- 2 too large, 3 its condition failed.
--
-- KEYS[3..]  for each write the entry, then the sorted sets of its new tags
-- ARGV[4..]  for each write six texts:
--   1  what to do: 'F' fill, 'S' set, 'U' update, 'P' put if unchanged, 'T' touch; 's' and 'u' are
--      a set and an update of a value that is too large
--   2  the stamp, for 'F', 'U', 'u' and 'P': incarnation and mark
--   3  the token that is expected, for 'P' (empty: no entry) and 'T'
--   4  the cells of the key and the new tags, 2 bytes each
--   5  when it ends, Unix ms; empty: never
--   6  the record; for 'T' the new times, 16 bytes

local STORED, FENCED, TOO_LARGE, CONDITION_FAILED = 0, 1, 2, 3
local RAISING = { S = true, U = true, s = true, u = true }
local FIELDS = 6

local mark
for at = 4, #ARGV, FIELDS do
  if RAISING[ARGV[at]] then
    mark = bytes(advance())
    break
  end
end

local function index(tag_set, key, ends)
  call('ZADD', tag_set, ends == '' and '+inf' or ends, key)
  local passed = call('ZRANGEBYSCORE', tag_set, '-inf', '(' .. now_ms, 'LIMIT', 0, 8)
  if #passed > 0 then
    call('ZREM', tag_set, unpack(passed))
  end
end

-- A longer record is not copied to put its stamp before it.
local SHORT = 16384

local function store(name, key, sets, old, ends, record, stamp)
  local kept
  if #sets > 0 then
    kept = {}
    for _, tag_set in ipairs(sets) do
      index(tag_set, key, ends)
      kept[tag_set] = true
    end
  end
  local late_stamp = stamp and #record > SHORT
  if stamp and not late_stamp then
    record = stamp .. sub(record, 9)
  end
  if ends == '' then
    call('SET', name, record)
  elseif tonumber(ends) > now then
    call('PSETEX', name, whole(ends - now), record)
  else
    call('UNLINK', name)
    late_stamp = false
  end
  if late_stamp then
    call('SETRANGE', name, 0, stamp)
  end
  if old then
    for _, tag in ipairs(tags_of(old)) do
      local tag_set = ARGV[3] .. 't:' .. tag
      if not (kept and kept[tag_set]) then
        call('ZREM', tag_set, key)
      end
    end
  end
  return STORED
end

local function fill(name, key, sets, old, stamp, cells, ends, record)
  if old and number(sub(old, 1, 8)) > number(sub(stamp, 9, 16)) then
    return FENCED
  end
  if not admits(stamp, cells) then
    return FENCED
  end
  return store(name, key, sets, old, ends, record)
end

-- Takes the place of an entry. It may be made of that, and is no newer: an invalidation that was
-- raised before that was read, and has not come to it yet, removes what stands there. It would not
-- find what no longer bears the tag that it names.
local function replace(name, key, sets, old, stamp, cells, ends, record)
  local own = sub(old, 1, 8)
  if number(own) > number(sub(stamp, 9, 16)) or not admits(stamp, cells) then
    return FENCED
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
      return FENCED
    end
  end
  return store(name, key, sets, old, ends, record, own)
end

local function touch(name, key, old, token, ends, times)
  if not old or sub(old, 25, 32) ~= token or number(sub(old, 9, 16)) == 0 then
    return CONDITION_FAILED
  end
  for _, tag in ipairs(tags_of(old)) do
    index(ARGV[3] .. 't:' .. tag, key, ends)
  end
  call('SETRANGE', name, 8, times)
  if ends == '' then
    call('PERSIST', name)
  else
    call('PEXPIREAT', name, ends)
  end
  return STORED
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
  return admitted and TOO_LARGE or FENCED
end

local outcomes = {}
local at, key_at = 3, #ARGV[3] + 3
for from = 4, #ARGV, FIELDS do
  local action, stamp, token = ARGV[from], ARGV[from + 1], ARGV[from + 2]
  local cells, ends, record = ARGV[from + 3], ARGV[from + 4], ARGV[from + 5]
  local name, sets = KEYS[at], {}
  local key = sub(name, key_at)
  for tag = 1, #cells / 2 - 1 do
    sets[tag] = KEYS[at + tag]
  end
  at = at + 1 + #sets
  local old = read_entry(name)
  local outcome
  if action == 'T' then
    outcome = touch(name, key, old, token, ends, record)
  elseif action == 'F' then
    outcome = fill(name, key, sets, old, stamp, cells, ends, record)
  elseif action == 'P' then
    local found = old and sub(old, 25, 32) or ''
    if found ~= '' and found == sub(record, 25, 32) then
      -- This very write, sent again because its answer was lost.
      outcome = STORED
    elseif found == token then
      outcome = (old and replace or fill)(name, key, sets, old, stamp, cells, ends, record)
    else
      outcome = CONDITION_FAILED
    end
  else
    outcome = change(action, name, key, sets, old, stamp, cells, ends, record)
  end
  outcomes[#outcomes + 1] = outcome
end
return outcomes
