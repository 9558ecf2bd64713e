-- Takes one member out, raises the room's seq and publishes the event. The
-- last one out takes the room with it.
-- KEYS[1]   the room
-- ARGV[1]   channel of the room
-- ARGV[2]   expiry, Unix ms; 0: none
-- ARGV[3,4] seq and born that the caller's replica stands at; born '': any
-- ARGV[5]   born of a record that begins anew
-- ARGV[6]   connection
-- ARGV[7]   epoch that the stored member must have
-- ARGV[8]   reason
-- Returns   outcome, seq, born, whether the room went, now, connections that the user has left
local time = redis.call('TIME')
local ms = millis(time)
if ARGV[2] ~= '0' and tonumber(ms) > tonumber(ARGV[2]) then
  return 'x\t0\t\t0\t' .. ms .. '\t0\n'
end

local key, field = KEYS[1], 'm:' .. ARGV[6]
local had = redis.call('HMGET', key, 'seq', 'born', field)
local seq, born, stored = had[1], had[2], had[3]
if not stored then
  return 'm\t' .. (seq or '0') .. '\t' .. (born or '') .. '\t0\t' .. ms .. '\t0\n'
end
local _, epoch, _, owner = string.match(stored, HEAD)
local user = string.match(stored, USER)
if not epoch or not user then
  return redis.error_reply(UNKNOWN)
end
if epoch ~= ARGV[7] then
  return 'f\t' .. seq .. '\t' .. born .. '\t0\t' .. ms .. '\t0\n'
end

local prev = seq
local reset = lost(seq, born, ARGV[3], ARGV[4])
if reset then
  seq, born = first(time, seq, ARGV[3]), ARGV[5]
else
  seq = string.format(SEQ, seq + 1)
end
local counter = 'u:' .. user
local conns = tonumber(redis.call('HGET', key, counter)) - 1
local last = conns < 1 and redis.call('HLEN', key) == 4 -- seq, born, the member, its user
if last then
  redis.call('DEL', key)
elseif conns < 1 then
  redis.call('HDEL', key, field, counter)
  redis.call('HSET', key, 'seq', seq, 'born', born)
else
  redis.call('HDEL', key, field)
  redis.call('HSET', key, 'seq', seq, 'born', born, counter, conns)
end
redis.call(PUBLISH, ARGV[1], '1e' .. seq .. '\t' .. prev .. '\t' .. born .. '\t' .. (reset and '1' or '0') .. '\tl\t'
  .. ms .. '\t' .. conns .. '\t' .. ARGV[8] .. '\t' .. ARGV[6] .. '\n'
  .. '10\t' .. epoch .. '\t0\t' .. owner .. '\t0\t0\t0\t\t\t\t' .. user .. '\n')
return 'a\t' .. seq .. '\t' .. born .. '\t' .. (last and '1' or '0') .. '\t' .. ms .. '\t' .. conns .. '\n'
