-- Notes a node's life sign.
-- KEYS[1] the nodes
-- ARGV[1] node
-- Returns the time, Unix ms
local ms = int(math.floor(clock() / 1000))
redis.call('ZADD', KEYS[1], ms, ARGV[1])
return ms
