-- Goes on where conn_join_usual.lua ends.
local list, found = {}, false
if id then
  list = rooms(id)
  local had = call('HMGET', key, 'epoch', 'last_seen_ms')
  if tonumber(had[1]) > tonumber(epoch) then
    epoch = had[1]
  end
  if tonumber(had[2]) > tonumber(seen) then
    seen = had[2]
  end
end
for _, other in ipairs(list) do
  found = found or other == room
end
if not found then
  list[#list + 1] = room
  id = room_id(list)
end
call('HSET', key, 'user_id', ARGV[2], 'room_id', id, 'node_id', ARGV[4], 'epoch', epoch, 'last_seen_ms', seen)
call('PEXPIRE', key, ARGV[7])
return 1
