-- Tiers on Redis and Valkey: appends to the log of events.
--
-- KEYS[1]  the log, a stream. Its entries have ids `n-0`, where each n is one more than that of the
--          entry before, and two fields: `r`, 16 digits that name the run of the server, and `e`,
--          the event. An empty event marks a place only.
-- ARGV[1]  how many entries are kept, more or less
-- ARGV[2]  the events follow; where there are none, a place is marked if the last entry is of
--          another run, or there is none
--
-- Answers the run and the n of the last entry.

local time = redis.call('TIME')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
run = string.sub(run .. string.rep('0', 16), 1, 16)

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local n, last_run
if last then
  n = tonumber(string.match(last[1], '^(%d+)-'))
  for at = 1, #last[2], 2 do
    if last[2][at] == 'r' then
      last_run = last[2][at + 1]
    end
  end
end

local function add(event)
  n = n + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], string.format('%.0f-0', n), 'r', run, 'e', event)
end

if not n then
  -- By the clock: a log that was lost never goes on with numbers that were given out before.
  n = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
if last_run ~= run then
  add('')
end
for at = 2, #ARGV do
  add(ARGV[at])
end
return { run, string.format('%.0f', n) }
