-- Adds a room to a connection's record and makes the node its owner. Here is
-- the usual case, its first room; conn_join.lua has the others.
-- KEYS[1] the connection
-- ARGV[1] expiry, as in expiry.lua
-- ARGV[2] user   ARGV[3] room   ARGV[4] node   ARGV[5] epoch
-- ARGV[6] last seen, Unix ms    ARGV[7] time to live, ms
-- Returns 0 when it expired
local call, key, room, epoch, seen = redis.call, KEYS[1], ARGV[3], ARGV[5], ARGV[6]
local id = call('HGET', key, 'room_id')
if not id and string.byte(room) ~= 91 then -- '[', as a list of rooms begins
  call('HSET', key, 'user_id', ARGV[2], 'room_id', room, 'node_id', ARGV[4], 'epoch', epoch, 'last_seen_ms', seen)
  call('PEXPIRE', key, ARGV[7])
  return 1
end

