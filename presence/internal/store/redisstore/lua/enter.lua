-- Goes on where put_usual.lua ends, for a new member: writes where its user is and
-- the record of its connection.
-- KEYS[2]   where the user is   KEYS[3] the connection   KEYS[4] as in enter_room.lua
-- ARGV[8]   the field of the member in where the user is   ARGV[9] its life
-- ARGV[10]  time to live, ms, of all entries of the user
-- ARGV[11]  node   ARGV[12] user   ARGV[13] room   ARGV[14] epoch
-- ARGV[15]  last seen, Unix ms   ARGV[16] time to live of the connection, ms
-- Returns   done; with 'c' before it when the connection's record is still to be
--           written, because it has a room already or because the room's id would
--           look like a list of rooms; or nothing, and has written nothing, when
--           this is not a usual case
if not done then
  return ''
end
call('HSET', KEYS[2], ARGV[8], ARGV[9])
call('PEXPIRE', KEYS[2], ARGV[10])
if string.byte(ARGV[13]) == 91 or call('EXISTS', KEYS[3]) == 1 then -- '[', as a list of rooms begins
  return 'c' .. done
end
call('HSET', KEYS[3], 'user_id', ARGV[12], 'room_id', ARGV[13], 'node_id', ARGV[11], 'epoch', ARGV[14],
  'last_seen_ms', ARGV[15])
call('PEXPIRE', KEYS[3], ARGV[16])
return done
