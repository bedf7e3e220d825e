-- Takes members whose end has passed out of a tag's sorted set, 1,000 at most. Answers how many.
--
-- KEYS[1]  the sorted set

local time = redis.call('TIME')
local now_ms = string.format('%.0f', math.floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000))
local passed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now_ms, 'LIMIT', 0, 1000)
if #passed > 0 then
  redis.call('ZREM', KEYS[1], unpack(passed))
end
return #passed
