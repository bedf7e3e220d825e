-- Makes the fence of a bucket if it has to be made. Answers incarnation and counter: a stamp.
--
-- KEYS[3]  if given, a name that no key ever has: while the bucket's slot is being moved, the server
--          refuses the call

return incarnation .. bytes(counter)
