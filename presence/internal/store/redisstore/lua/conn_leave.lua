-- Removes a room from a connection's record; the last removal deletes it. A
-- room that has a higher epoch stays while the record is in another node's hands.
-- KEYS[1] the connection
-- ARGV[1] expiry, as in expiry.lua
-- ARGV[2] room   ARGV[3] node   ARGV[4] epoch
-- Returns 0 when it expired
local call, key = redis.call, KEYS[1]
local had = call('HMGET', key, 'room_id', 'node_id', 'epoch', 'epoch:' .. ARGV[2])
if not had[1] or (had[2] ~= ARGV[3] and tonumber(had[4] or had[3]) > tonumber(ARGV[4])) then
  return 1
end
local left, highest = {}, nil
for _, room in ipairs(rooms(had[1])) do
  if room ~= ARGV[2] then
    left[#left + 1] = room
    local epoch = call('HGET', key, 'epoch:' .. room) or had[3]
    if not highest or tonumber(epoch) > tonumber(highest) then
      highest = epoch
    end
  end
end
if #left == 0 then
  call('DEL', key)
  return 1
end
call('HSET', key, 'room_id', room_id(left), 'epoch', highest)
call('HDEL', key, 'epoch:' .. ARGV[2])
if #left == 1 then
  call('HDEL', key, 'epoch:' .. left[1])
end
return 1
