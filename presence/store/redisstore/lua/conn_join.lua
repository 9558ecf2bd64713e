-- Adds a room to a connection's record and makes the node its owner.
-- KEYS[1] the connection
-- ARGV[1] expiry, Unix ms
-- ARGV[2] user   ARGV[3] room   ARGV[4] node   ARGV[5] epoch
-- ARGV[6] last seen, Unix ms    ARGV[7] time to live, ms
local had = redis.call('HMGET', KEYS[1], 'room_id', 'epoch', 'last_seen_ms')
local id, epoch, seen = had[1], ARGV[5], ARGV[6]
local list = {}
if id then
  list = rooms(id)
  if tonumber(had[2]) > tonumber(epoch) then
    epoch = had[2]
  end
  if tonumber(had[3]) > tonumber(seen) then
    seen = had[3]
  end
end
local found = false
for _, room in ipairs(list) do
  found = found or room == ARGV[3]
end
if not found then
  list[#list + 1] = ARGV[3]
  id = room_id(list)
end
redis.call('HSET', KEYS[1], 'user_id', ARGV[2], 'room_id', id, 'node_id', ARGV[4], 'epoch', epoch, 'last_seen_ms', seen)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
