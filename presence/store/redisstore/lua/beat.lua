-- Notes a node's life sign.
-- KEYS[1] the nodes
-- ARGV[1] node
-- Returns the time, Unix ms
local time = redis.call('TIME')
local ms = tostring(time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[1], ms, ARGV[1])
return ms
