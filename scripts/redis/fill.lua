-- Stores what was loaded for one key, where all that it takes is a look at the fence and at what is
-- there: most fills. It does without `fence.lua`, whose functions take longer to make than this to
-- run. Answers 0 stored, 1 fenced; `?` where the whole of `write.lua` is needed, with nothing
-- changed: there is no fence or another server's, or what is there has tags or is another program's.
--
-- KEYS[1..2]  fence and counter, see `fence.lua`
-- KEYS[3]     the entry
-- ARGV[1]     the signature that is expected
-- ARGV[2]     the stamp: incarnation and mark
-- ARGV[3..4]  where in the fence the key's cell begins and ends
-- ARGV[5]     when the entry ends, Unix ms; negative for never
-- ARGV[6]     its record without tags, without the stamp before it

local call, sub = redis.call, string.sub
local stamp = ARGV[2]

local head = call('GETRANGE', KEYS[1], '0', '87')
local count = call('GET', KEYS[2])
local server = call('INFO', 'server')
local at = string.find(server, 'run_id:', 1, true)
if not at or not count or #count ~= 16 or #head ~= 88 or sub(head, 1, 32) ~= ARGV[1]
    or sub(head, 33, 72) ~= sub(server, at + 7, at + 46)
    or sub(head, 73, 80) ~= sub(count, 1, 8) or sub(count, 1, 8) ~= sub(stamp, 1, 8) then
  return '?'
end

local old = redis.pcall('GETRANGE', KEYS[3], '0', '48')
if old ~= '' and (type(old) == 'table' or sub(old, 45) ~= '\0\0\0\0\1') then
  return '?'
end

local mark = sub(stamp, 9)
-- Where neither the counter has moved nor a newer entry may stand, the rest is known.
if count ~= stamp or (old ~= '' and sub(old, 1, 8) ~= mark) then
  local function number(text)
    return (struct.unpack('<I8', text))
  end
  local own = number(mark)
  if (old ~= '' and number(old) > own) or own < number(sub(head, 81)) or own > number(sub(count, 9))
      or number(call('GETRANGE', KEYS[1], ARGV[3], ARGV[4])) > own then
    return '1'
  end
end

local ends = tonumber(ARGV[5])
if ends < 0 then
  call('SET', KEYS[3], mark .. ARGV[6])
  return '0'
end
local time = call('TIME')
local left = ends - math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
if left > 0 then
  call('PSETEX', KEYS[3], string.format('%d', left), mark .. ARGV[6])
else
  call('UNLINK', KEYS[3])
end
return '0'
