-- Removes a room from a connection's record; the last removal deletes it. A
-- record of a higher epoch in another node's hands keeps the room.
-- KEYS[1] the connection
-- ARGV[1] expiry, as in expiry.lua
-- ARGV[2] room   ARGV[3] node   ARGV[4] epoch
-- Returns 0 when it expired
local had = redis.call('HMGET', KEYS[1], 'room_id', 'node_id', 'epoch')
if not had[1] or (had[2] ~= ARGV[3] and tonumber(had[3]) > tonumber(ARGV[4])) then
  return 1
end
local left = {}
for _, room in ipairs(rooms(had[1])) do
  if room ~= ARGV[2] then
    left[#left + 1] = room
  end
end
if #left == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'room_id', room_id(left))
end
return 1
