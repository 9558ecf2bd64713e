-- Adds a room to a connection's record and makes the node its owner.
-- KEYS[1] the connection
-- ARGV[1] expiry, as in expiry.lua
-- ARGV[2] user   ARGV[3] room   ARGV[4] node   ARGV[5] epoch
-- ARGV[6] last seen, Unix ms    ARGV[7] time to live, ms
-- Returns 0 when it expired
local call, key, epoch, seen = redis.call, KEYS[1], ARGV[5], ARGV[6]
local id = call('HGET', key, 'room_id')
if id then
  local had = call('HMGET', key, 'epoch', 'last_seen_ms')
  if tonumber(had[1]) > tonumber(epoch) then
    epoch = had[1]
  end
  if tonumber(had[2]) > tonumber(seen) then
    seen = had[2]
  end
  local list, found = rooms(id), false
  for _, room in ipairs(list) do
    found = found or room == ARGV[3]
  end
  if not found then
    list[#list + 1] = ARGV[3]
    id = room_id(list)
  end
else
  id = room_id({ ARGV[3] })
end
call('HSET', key, 'user_id', ARGV[2], 'room_id', id, 'node_id', ARGV[4], 'epoch', epoch, 'last_seen_ms', seen)
call('PEXPIRE', key, ARGV[7])
return 1
