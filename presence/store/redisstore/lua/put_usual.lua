-- Writes one member, raises the room's seq and publishes the event. Here are
-- the usual cases, by a caller whose replica is of the same birth as the
-- record, without anything that they do not need; put.lua has the others.
-- KEYS[1]   the room; its channel is named after it
-- ARGV[1]   expiry, as in expiry.lua
-- ARGV[2]   field of the member   ARGV[3] field of the user's counter
-- ARGV[4]   how the stored record begins when this is an owner's next write;
--           '+' for a join of whom is not there; '-' for all else
-- ARGV[5,6] seq and born that the caller's replica stands at; born '': any
-- ARGV[7]   the new record up to its intent, ended by a tab
-- ARGV[8]   the new record from joined on, begun by a tab
-- ARGV[9]   how to write: see put.lua
-- Returns   the record, maybe without its state, when it was applied and
--           published; else outcome, seq, born, sec, us and connections of
--           the user, and after a line break the record that stands
local call = redis.call
local time = call('TIME')
local sec, us = time[1], time[2]
if sec >= ARGV[1] and sec * 1000 + us / 1000 >= ARGV[1] + 1001 then
  return 'x\t0\t\t' .. sec .. '\t' .. us .. '\t0\n'
end
local key, field = KEYS[1], ARGV[2]
local had = call('HMGET', key, 'seq', 'born', field, ARGV[3])
local seq, born, stored, conns = had[1], had[2], had[3], had[4]

local value
if stored then
  if born == ARGV[6] and seq >= ARGV[5] and string.find(stored, ARGV[4], 1, true) == 1 then
    seq = string.format('%d', seq + 1)
    value = ARGV[7] .. '\t\t' .. seq .. '\t' .. born .. '\t' .. sec .. '\t' .. us .. '\t' .. conns .. ARGV[8]
    call('HSET', key, field, value, 'seq', seq)
  end
elseif ARGV[4] == '+' and born and (born == ARGV[6] and seq >= ARGV[5] or ARGV[6] == '') then
  seq, conns = string.format('%d', seq + 1), (conns or 0) + 1
  value = ARGV[7] .. '\t\t' .. seq .. '\t' .. born .. '\t' .. sec .. '\t' .. us .. '\t' .. conns .. ARGV[8]
  call('HSET', key, field, value, 'seq', seq, ARGV[3], conns)
elseif ARGV[4] == '+' and not seq and ARGV[6] == '' then
  seq = string.format('%d', math.max(sec * 1000000 + us, ARGV[5] + 1))
  born = string.match(ARGV[9], '\t(%w+)')
  value = ARGV[7] .. '\t0\t' .. seq .. '\t' .. born .. '\t' .. sec .. '\t' .. us .. '\t1' .. ARGV[8]
  call('HSET', key, field, value, 'seq', seq, 'born', born, ARGV[3], 1)
end
if value then
  call(PUBLISH, key .. ':events', value)
  if #value > 1000 then
    return string.match(value, '^[^\n]*\n')
  end
  return value
end

