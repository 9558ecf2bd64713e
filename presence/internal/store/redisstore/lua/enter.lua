-- Writes the indexes and the record of the connection of a new member;
-- put_usual.lua then writes the member.
-- KEYS[2]   what the node holds   KEYS[3] where the user is   KEYS[4] the connection
-- ARGV[8]   the member's field in both indexes, ARGV[9] its value in the node's
-- ARGV[10]  node   ARGV[11] user   ARGV[12] room   ARGV[13] epoch
-- ARGV[14]  last seen, Unix ms   ARGV[15] time to live of the connection, ms
-- Returns   what put_usual.lua does; or nothing, and has written nothing, when
--           the member, the connection or an entry of an index stands already, or
--           the room's id would look like a list of rooms: that takes steps
if stored or string.byte(ARGV[12]) == 91 or call('EXISTS', KEYS[4]) == 1 -- '[', as a list of rooms begins
  or call('HSETNX', KEYS[2], ARGV[8], ARGV[9]) == 0 then
  return ''
end
if call('HSETNX', KEYS[3], ARGV[8], ARGV[10]) == 0 then
  call('HDEL', KEYS[2], ARGV[8])
  return ''
end
call('HSET', KEYS[4], 'user_id', ARGV[11], 'room_id', ARGV[12], 'node_id', ARGV[10], 'epoch', ARGV[13],
  'last_seen_ms', ARGV[14])
call('PEXPIRE', KEYS[4], ARGV[15])
