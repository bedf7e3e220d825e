-- Removes entries of a bucket, or makes them stale. Answers how many.
--
-- KEYS[3..]  the entries
-- ARGV[4]    the mark that the fence was raised to; only what is older goes. Empty: raises it now
-- ARGV[5]    'R' removes, 'E' makes stale, 'F' removes what is fresh
-- ARGV[6]    the cells to raise, 2 bytes each

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
local key_at = #ARGV[3] + 3
for at = 3, #KEYS do
  local name = KEYS[at]
  local entry = read_entry(name)
  if entry and number(string.sub(entry, 1, 8)) < mark then
    local is_fresh = number(string.sub(entry, 9, 16)) ~= 0
    if ARGV[5] == 'R' or ARGV[5] == 'F' and is_fresh then
      remove_entry(name, string.sub(name, key_at), entry)
      changed = changed + 1
    elseif is_fresh then
      redis.call('SETRANGE', name, 8, bytes(0))
      changed = changed + 1
    end
  elseif not entry and ARGV[5] == 'R' then
    redis.call('UNLINK', name)
  end
end
return changed
