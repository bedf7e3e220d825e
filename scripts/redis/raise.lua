-- Raises the floor of a bucket: nothing that is being loaded may be stored. Answers the mark, and the
-- incarnation and the run id of the server.
--
-- KEYS[3]  on a cluster, a name that no key ever has: while the bucket's slot is being moved, the
--          server refuses the call

redis.call('PERSIST', KEYS[1])
local mark = advance()
redis.call('SETRANGE', KEYS[1], 80, bytes(mark))
return { bytes(mark), incarnation, run_id }
