-- Tiers on Redis and Valkey: one step on a counter, a register, a lock or a limit. They stand beside
-- the entries; no fence is asked, and no invalidation of entries touches them.
--
-- KEYS[1]  a hash:  n  the counter's number, the register's version, the lock's token, or the
--                      limiter's theoretical arrival time in Unix microseconds
--                   v  the register's bytes, the lock's owner; nobody is empty
--                   u  the lock's end in Unix microseconds
-- ARGV[1]  the step; what follows is told at each. Spans are microseconds, an empty one never ends.
--
-- Times are the server's. Microseconds are whole numbers that a double holds exactly until 2255;
-- counters and versions have 64 bits and are never made into a number here.

local call, try = redis.call, redis.pcall
local key, step = KEYS[1], ARGV[1]
local time = call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function whole(value)
  return string.format('%.0f', value)
end

local function ends_at(at)
  call('PEXPIREAT', key, whole(math.ceil(at / 1000)))
end

local function ends_after(span)
  if span == '' then
    call('PERSIST', key)
  else
    ends_at(now + tonumber(span))
  end
end

-- add, delta, span, '1': the span begins anew
if step == 'add' then
  local is_new = call('EXISTS', key) == 0
  local sum = try('HINCRBY', key, 'n', ARGV[2])
  if type(sum) == 'table' and sum.err then
    if string.find(sum.err, 'overflow', 1, true) then
      return {'overflow'}
    end
    return sum
  end
  -- As text: the number itself may be larger than a double holds.
  local count = call('HGET', key, 'n')
  if is_new or ARGV[4] == '1' then
    ends_after(ARGV[3])
  end
  return {'count', count}
end

if step == 'count' then
  return {'count', call('HGET', key, 'n')}
end

if step == 'read' then
  local found = call('HMGET', key, 'n', 'v')
  return {'register', found[1], found[2]}
end

-- swap, expected version or nothing, new version, '1': put, '0': remove, bytes, span
if step == 'swap' then
  local found = call('HMGET', key, 'n', 'v')
  if found[1] == ARGV[3] then
    return {'swapped'}
  end
  if (found[1] or '') ~= ARGV[2] then
    return {'conflict', found[1], found[2]}
  end
  if ARGV[4] == '1' then
    call('HSET', key, 'n', ARGV[3], 'v', ARGV[5])
    ends_after(ARGV[6])
  else
    call('DEL', key)
  end
  return {'swapped'}
end

-- limit, interval, burst, cost. The caller makes its answer of arrival time and time by the same
-- rule.
if step == 'limit' then
  local interval, burst, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local arrival = math.max(tonumber(call('HGET', key, 'n') or '0'), now)
  local after = arrival + interval * cost
  if cost > 0 and after - now <= interval * burst then
    call('HSET', key, 'n', whole(after))
    ends_at(after)
  end
  return {'rate', whole(arrival), whole(now)}
end

if step == 'remove' then
  return {'removed', call('DEL', key)}
end

-- Of a lock: owner, span until its end (not of a release), span for which its token is remembered.
local slot = call('HMGET', key, 'n', 'v', 'u')
local token, holder, ends = tonumber(slot[1] or '0'), slot[2] or '', tonumber(slot[3] or '0')
local is_held = holder ~= '' and ends > now
local is_ours = is_held and holder == ARGV[2]

local function hold(owner, span, retention)
  local until_us = now + tonumber(span)
  call('HSET', key, 'n', whole(token), 'v', owner, 'u', whole(until_us))
  ends_at(until_us + tonumber(retention))
end

if step == 'acquire' then
  if is_held and not is_ours then
    return {'held', whole(ends - now)}
  end
  if not is_ours then
    token = math.max(now, token + 1)
  end
  hold(ARGV[2], ARGV[3], ARGV[4])
  return {'acquired', whole(token)}
end

if step == 'extend' then
  if is_ours then
    hold(ARGV[2], ARGV[3], ARGV[4])
  end
  return {'extended', is_ours and 1 or 0}
end

if step == 'release' then
  if is_ours and tonumber(ARGV[3]) == 0 then
    call('DEL', key)
  elseif is_ours then
    hold('', '0', ARGV[3])
  end
  return {'released', is_ours and 1 or 0}
end

return redis.error_reply('TIERSSTEP an unknown step: ' .. step)
