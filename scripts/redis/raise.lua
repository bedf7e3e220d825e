-- Raises the floor of a bucket: nothing that is being loaded may be stored. Answers the mark.

redis.call('PERSIST', KEYS[1])
local mark = advance()
redis.call('SETRANGE', KEYS[1], 80, bytes(mark))
return bytes(mark)
