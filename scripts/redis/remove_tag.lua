-- Removes one page of the entries of a bucket that bear a tag, or makes them stale. Answers the
-- mark, the place where the next page begins ('0': there is none), how many, and the incarnation: a
-- place means something only to the server that gave it, and with another there is another.
--
-- KEYS[3]    the tag's sorted set; may be empty
-- ARGV[4]    the mark that the fence was raised to; only what is older goes. Empty: raises it now
-- ARGV[5]    'R' removes, 'E' makes stale, 'F' removes what is fresh
-- ARGV[6]    the cells to raise, 2 bytes each
-- ARGV[7]    the place where the page begins
-- ARGV[8]    about how many members make a page
-- ARGV[9..]  the tags that an entry must bear, all of them

-- The first write decides whether a script is refused for lack of memory, and this one is not.
redis.call('PERSIST', KEYS[1])
local mark
if ARGV[4] == '' then
  mark = advance()
  raise(ARGV[6], bytes(mark))
else
  mark = number(ARGV[4])
end

local changed = 0
-- It gives every member that is there from the first page to the last, however it moves meanwhile.
local page = redis.call('ZSCAN', KEYS[3], ARGV[7], 'COUNT', ARGV[8])
for at = 1, #page[2], 2 do
  local key = page[2][at]
  local name = ARGV[3] .. 'e:' .. key
  -- What ended by its own time need not be asked for, and could not be in a slot that is being moved.
  -- An entry may outlive what its set knows of by as long as a script takes.
  local has_ended = tonumber(page[2][at + 1]) < now - 1000
  local entry = not has_ended and read_entry(name) or nil
  if not entry and not has_ended then
    refuse_if_apart(name)
  end
  local borne = {}
  if entry then
    for _, tag in ipairs(tags_of(entry)) do
      borne[tag] = true
    end
  end
  if not borne[ARGV[9]] then
    redis.call('ZREM', KEYS[3], key)
  else
    local all = true
    for wanted = 10, #ARGV do
      all = all and borne[ARGV[wanted]]
    end
    if all and number(string.sub(entry, 1, 8)) < mark then
      local is_fresh = number(string.sub(entry, 9, 16)) ~= 0
      if ARGV[5] == 'R' or ARGV[5] == 'F' and is_fresh then
        remove_entry(name, key, entry)
        changed = changed + 1
      elseif is_fresh then
        redis.call('SETRANGE', name, 8, bytes(0))
        changed = changed + 1
      end
    end
  end
end
return { bytes(mark), page[1], changed, incarnation }
