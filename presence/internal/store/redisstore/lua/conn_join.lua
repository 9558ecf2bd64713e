-- Goes on where conn_join_usual.lua ends. With several rooms each has the
-- highest epoch of its own too.
local list, found, own = {}, false, epoch
if id then
  list = rooms(id)
  local had = call('HMGET', key, 'epoch', 'last_seen_ms', 'epoch:' .. room)
  for _, other in ipairs(list) do
    found = found or other == room
    if #list == 1 then
      call('HSET', key, 'epoch:' .. other, had[1])
    end
  end
  had[3] = had[3] or found and had[1]
  if had[3] and tonumber(had[3]) > tonumber(own) then
    own = had[3]
  end
  if tonumber(had[1]) > tonumber(epoch) then
    epoch = had[1]
  end
  if tonumber(had[2]) > tonumber(seen) then
    seen = had[2]
  end
end
if not found then
  list[#list + 1] = room
  id = room_id(list)
end
if #list > 1 then
  call('HSET', key, 'epoch:' .. room, own)
else
  call('HDEL', key, 'epoch:' .. room)
end
call('HSET', key, 'user_id', ARGV[2], 'room_id', id, 'node_id', ARGV[4], 'epoch', epoch, 'last_seen_ms', seen)
call('PEXPIRE', key, ARGV[7])
return 1
