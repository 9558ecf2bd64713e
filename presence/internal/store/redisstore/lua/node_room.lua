-- Adds a room to those in which a node may have members, or removes it.
-- KEYS[1] the rooms of the node
-- ARGV[1] expiry, as in expiry.lua   ARGV[2] SADD or SREM   ARGV[3] room
-- Returns 0 when it expired
redis.call(ARGV[2], KEYS[1], ARGV[3])
return 1
