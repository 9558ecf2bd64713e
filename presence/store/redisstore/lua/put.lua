-- Writes one member, raises the room's seq and publishes the event.
-- KEYS[1]   the room
-- ARGV[1]   command to publish with: PUBLISH or SPUBLISH
-- ARGV[2]   channel of the room
-- ARGV[3]   expiry, Unix ms; 0: none
-- ARGV[4,5] seq and born that the caller's replica stands at; 0 and '': none
-- ARGV[6]   born of a record that begins
-- ARGV[7]   intent, then 'k' keep the stored state, 'q' quiet
-- ARGV[8]   fence: epoch that the stored member must have; 0: there must be none
-- ARGV[9]   connection   ARGV[10] user   ARGV[11] owner
-- ARGV[12]  epoch        ARGV[13] write
-- ARGV[14]  joined, Unix ms; 0: now      ARGV[15] grace, ms
-- ARGV[16]  until, flags, lost: as in the header of a member
-- ARGV[17]  token        ARGV[18] state
-- Returns   outcome, seq, born, reset, now, connections of the user, then the
--           member: without its state when that is the one in ARGV
local us = clock()
local ms = int(math.floor(us / 1000))
local expires = tonumber(ARGV[3])
if expires > 0 and tonumber(ms) > expires then
  return 'x\t0\t\t0\t' .. ms .. '\t0\n'
end

local key, user, epoch, write = KEYS[1], ARGV[10], ARGV[12], ARGV[13]
local field, counter = 'm:' .. ARGV[9], 'u:' .. user
local had = redis.call('HMGET', key, 'seq', 'born', field, counter)
local seq, born, stored, conns = had[1], had[2], had[3], tonumber(had[4]) or 0
local intent = string.sub(ARGV[7], 1, 1)
local keep = string.find(ARGV[7], 'k', 2, true)
local resume = intent == 'r'
local mseq, mepoch, mwrite, mowner, mjoined, mgrace, muntil, mtoken, muser, body, _

local function stands(outcome)
  return outcome .. '\t' .. (seq or '0') .. '\t' .. (born or '') .. '\t0\t' .. ms .. '\t' .. conns .. '\n' .. (stored or '')
end

if stored then
  mseq, mepoch, mwrite, mowner, mjoined, mgrace, muntil, _, _, mtoken, muser, body = member(stored)
  if not mseq then
    return redis.error_reply(unknown)
  end
  if resume and (ARGV[17] == '' or ARGV[17] ~= mtoken or user ~= muser) then
    return stands('f')
  end
  if mepoch == epoch and mowner == ARGV[11] and tonumber(mwrite) >= tonumber(write) then
    return stands('r')
  end
  if ARGV[8] == '0' or mepoch ~= ARGV[8] then
    return stands('f')
  end
  if resume and muntil ~= '0' and tonumber(muntil) <= tonumber(ms) then
    return stands('f')
  end
elseif intent ~= 's' and (resume or ARGV[8] ~= '0') then
  return stands('m')
end

local reset = lost(seq, born, ARGV[4], ARGV[5])
local publish = reset or not string.find(ARGV[7], 'q', 2, true)
local prev = seq or '0'
local set = {}
if reset or not seq then
  seq, born = int(first(us, reset, seq, ARGV[4])), ARGV[6]
  set = { 'seq', seq, 'born', born }
elseif publish then
  seq = int(tonumber(seq) + 1)
  set = { 'seq', seq }
end

local joined, grace, token, state = ARGV[14], ARGV[15], ARGV[17], ARGV[18]
if resume then
  joined, grace, token = mjoined, mgrace, mtoken
  write = int(math.max(tonumber(mwrite) + 1, tonumber(write)))
end
if joined == '0' then
  joined = ms
end
if keep and stored then
  state = string.sub(stored, body)
end
if not stored or muser ~= user then
  conns = conns + 1
  set[#set + 1], set[#set + 2] = counter, conns
  if stored and redis.call('HINCRBY', key, 'u:' .. muser, -1) < 1 then
    redis.call('HDEL', key, 'u:' .. muser)
  end
end
local head = '1' .. (publish and seq or mseq or '0') .. '\t' .. epoch .. '\t' .. write .. '\t' .. ARGV[11] .. '\t'
  .. joined .. '\t' .. grace .. '\t' .. ARGV[16] .. '\t' .. token .. '\t' .. user .. '\n'
local value = head .. state
redis.call('HSET', key, field, value, unpack(set))

local flag = reset and '1' or '0'
if publish then
  redis.call(ARGV[1], ARGV[2], '1e' .. seq .. '\t' .. prev .. '\t' .. born .. '\t' .. flag .. '\t' .. intent
    .. '\t' .. ms .. '\t' .. conns .. '\t\t' .. ARGV[9] .. '\n' .. value)
end
return 'a\t' .. seq .. '\t' .. born .. '\t' .. flag .. '\t' .. ms .. '\t' .. conns .. '\n' .. (keep and value or head)
