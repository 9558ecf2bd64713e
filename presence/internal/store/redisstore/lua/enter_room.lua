-- Goes on where room.lua ends, for a new member: adds the room to those of its node. This
-- comes before the member is written: what an error ends is not taken back.
-- KEYS[4]   the rooms of the node; none: there is nothing to add
-- ARGV[13]  room
if KEYS[4] and not stored then
  call('SADD', KEYS[4], ARGV[13])
end

