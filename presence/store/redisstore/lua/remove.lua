-- Takes one member out, raises the room's seq and publishes the event. The
-- last one out takes the room with it.
-- KEYS[1]   the room; its channel is named after it
-- ARGV[1]   expiry less a second, Unix ms, 13 digits
-- ARGV[2]   field of the member
-- ARGV[3,4] seq and born that the caller's replica stands at; born '': any
-- ARGV[5]   born of a record that begins anew
-- ARGV[6]   epoch that the stored member must have
-- ARGV[7]   reason
-- Returns   the record that was published, or what put_usual.lua does
local call = redis.call
local time = call('TIME')
local sec, us = time[1], time[2]
if sec >= ARGV[1] and sec * 1000 + us / 1000 >= ARGV[1] + 1001 then
  return 'x\t0\t\t' .. sec .. '\t' .. us .. '\t0\n'
end
local key, field = KEYS[1], ARGV[2]
local had = call('HMGET', key, 'seq', 'born', field)
local seq, born, stored = had[1], had[2], had[3]
if not stored then
  return 'm\t' .. (seq or '0') .. '\t' .. (born or '') .. '\t' .. sec .. '\t' .. us .. '\t0\n'
end
local epoch, _, owner, user = string.match(stored, HEAD)
if not epoch then
  return redis.error_reply(UNKNOWN)
end
if epoch ~= ARGV[6] then
  return 'f\t' .. seq .. '\t' .. born .. '\t' .. sec .. '\t' .. us .. '\t0\n'
end

local reset, prev = lost(seq, born, ARGV[3], ARGV[4]), ''
if reset then
  prev = seq
  seq, born = first(time, seq, ARGV[3]), ARGV[5]
else
  seq = string.format(SEQ, seq + 1)
end
local counter = 'u:' .. user
local conns = call('HGET', key, counter) - 1
local last = conns < 1 and call('HLEN', key) == 4 -- seq, born, the member, its user
if last then
  call('DEL', key)
elseif conns < 1 then
  call('HDEL', key, field, counter)
  call('HSET', key, 'seq', seq, 'born', born)
else
  call('HDEL', key, field)
  call('HSET', key, 'seq', seq, 'born', born, counter, conns)
end
local value = '1\t' .. epoch .. '\t0\t' .. owner .. '\t' .. user .. '\t' .. string.sub(field, 3) .. '\tl\t'
  .. (reset and 'r' or '') .. '\t' .. prev .. '\t' .. seq .. '\t' .. born .. '\t' .. sec .. '\t' .. us .. '\t' .. conns
  .. '\t0\t0\t0\t' .. (last and 'e' or '') .. '\t' .. ARGV[7] .. '\t\n'
call(PUBLISH, key .. ':events', value)
return value
