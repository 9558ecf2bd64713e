-- Takes one member out, raises the room's seq and publishes the event. The
-- last one out takes the room with it.
-- KEYS[1]   the room
-- ARGV[1]   command to publish with: PUBLISH or SPUBLISH
-- ARGV[2]   channel of the room
-- ARGV[3]   expiry, Unix ms; 0: none
-- ARGV[4,5] seq and born that the caller's replica stands at; 0 and '': none
-- ARGV[6]   born of a record that begins anew
-- ARGV[7]   connection
-- ARGV[8]   epoch that the stored member must have
-- ARGV[9]   reason
-- Returns   outcome, seq, born, whether the room went, now, connections that the user has left
local us = clock()
local ms = int(math.floor(us / 1000))
local expires = tonumber(ARGV[3])
if expires > 0 and tonumber(ms) > expires then
  return 'x\t0\t\t0\t' .. ms .. '\t0\n'
end

local key, field = KEYS[1], 'm:' .. ARGV[7]
local had = redis.call('HMGET', key, 'seq', 'born', field)
local seq, born, stored = had[1], had[2], had[3]
if not stored then
  return 'm\t' .. (seq or '0') .. '\t' .. (born or '') .. '\t0\t' .. ms .. '\t0\n'
end
local mseq, epoch, _, owner, _, _, _, _, _, _, user = member(stored)
if not mseq then
  return redis.error_reply(unknown)
end
if epoch ~= ARGV[8] then
  return 'f\t' .. seq .. '\t' .. born .. '\t0\t' .. ms .. '\t0\n'
end

local prev = seq
local reset = lost(seq, born, ARGV[4], ARGV[5])
if reset then
  seq, born = int(first(us, true, seq, ARGV[4])), ARGV[6]
else
  seq = int(tonumber(seq) + 1)
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
redis.call(ARGV[1], ARGV[2], '1e' .. seq .. '\t' .. prev .. '\t' .. born .. '\t' .. (reset and '1' or '0') .. '\tl\t'
  .. ms .. '\t' .. conns .. '\t' .. ARGV[9] .. '\t' .. ARGV[7] .. '\n'
  .. '10\t' .. epoch .. '\t0\t' .. owner .. '\t0\t0\t0\t\t\t\t' .. user .. '\n')
return 'a\t' .. seq .. '\t' .. born .. '\t' .. (last and '1' or '0') .. '\t' .. ms .. '\t' .. conns .. '\n'
