-- Writes one member, raises the room's seq and publishes the event.
-- ARGV[4]   how the stored record begins when this is an owner's next write;
--           '+' for a join of whom is not there; for all else '-', 'q' if
--           quiet or '-', 'k' to keep the stored state or '-', the fence: the epoch
--           that the stored member must have, 0 when there must be none; a space, and
--           by how many ms the clock here is ahead of the one that times are told by
-- ARGV[7]   the record but for its last line
-- Here are the usual cases. done is then what to return: '+' and the record's
-- last line, since the rest is as the caller has it. put.lua has the other cases.

local usual, done = ARGV[4] == '+', nil
if stored then
  usual = string.find(stored, ARGV[4], 1, true) == 1
end
if usual then
  if not stored then
    conns = (conns or 0) + 1
  end
  local line = raised .. '\t' .. sec .. '\t' .. us .. '\t' .. conns .. before
  local value = ARGV[7] .. '\n' .. line
  if stored then
    call('HSET', key, field, value, 'at', raised)
  else
    call('HSET', key, field, value, 'at', raised, ARGV[3], conns)
  end
  call(PUBLISH, key .. EVENTS, value)
  done = '+' .. line
end

