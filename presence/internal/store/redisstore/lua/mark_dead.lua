-- Marks a node dead, unless it is.
-- KEYS[1] the nodes
-- ARGV[1] node
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) >= 0 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[1], string.format('-%d', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
end
return 1
