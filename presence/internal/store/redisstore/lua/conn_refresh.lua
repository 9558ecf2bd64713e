-- Renews a connection's record if the node still owns it.
-- KEYS[1] the connection
-- ARGV[1] node   ARGV[2] last seen, Unix ms   ARGV[3] time to live, ms
-- Returns 0 when there is no record
local had = redis.call('HMGET', KEYS[1], 'node_id', 'last_seen_ms')
if not had[1] then
  return 0
end
if had[1] == ARGV[1] then
  if tonumber(ARGV[2]) > tonumber(had[2]) then
    redis.call('HSET', KEYS[1], 'last_seen_ms', ARGV[2])
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
