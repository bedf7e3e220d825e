-- Makes the fence of a bucket if it has to be made. Answers incarnation and counter: a stamp.

return incarnation .. bytes(counter)
