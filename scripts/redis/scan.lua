-- One page of the names of a server's keys, or of the members of a sorted set with their scores.
-- Answers the run id of the server, the place where the next page begins ('0': there is none), and
-- the page. A place means something only to the run of the server that gave it.
--
-- KEYS[1]  the sorted set, or a key of the server that is meant, on a cluster
-- ARGV[1]  the place where the page begins
-- ARGV[2]  about how many make a page
-- ARGV[3]  the pattern that names fit; none: the members of the sorted set

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local page
if ARGV[3] then
  page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[3], 'COUNT', ARGV[2])
else
  page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
end
return { run_id, page[1], page[2] }
