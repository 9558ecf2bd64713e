-- Adds a room to a connection's record and makes the node its owner.
-- KEYS[1] the connection
-- ARGV[1] user   ARGV[2] room   ARGV[3] node   ARGV[4] epoch
-- ARGV[5] last seen, Unix ms    ARGV[6] time to live, ms
local had = redis.call('HMGET', KEYS[1], 'room_id', 'epoch', 'last_seen_ms')
local id, epoch, seen = had[1], ARGV[4], ARGV[5]
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
  found = found or room == ARGV[2]
end
if not found then
  list[#list + 1] = ARGV[2]
  id = room_id(list)
end
redis.call('HSET', KEYS[1], 'user_id', ARGV[1], 'room_id', id, 'node_id', ARGV[3], 'epoch', epoch, 'last_seen_ms', seen)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
