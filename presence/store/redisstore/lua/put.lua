-- Writes one member, raises the room's seq and publishes the event.
-- KEYS[1]   the room
-- ARGV[1]   channel of the room
-- ARGV[2]   expiry, Unix ms; 0: none
-- ARGV[3,4] seq and born that the caller's replica stands at; born '': any
-- ARGV[5]   born of a record that begins
-- ARGV[6]   intent
-- ARGV[7]   'k' keep the stored state, 'q' quiet, 'kq' both, or ''
-- ARGV[8]   fence: epoch that the stored member must have; 0: there must be none
-- ARGV[9]   connection   ARGV[10] user   ARGV[11] owner
-- ARGV[12]  epoch        ARGV[13] write
-- ARGV[14]  joined, Unix ms; 0: now      ARGV[15] grace, ms
-- ARGV[16]  until, flags, lost: as in the header of a member
-- ARGV[17]  token        ARGV[18] state
-- Returns   outcome, seq, born, reset, now, connections of the user, then the
--           member: without its state when that is the one in ARGV
local time = redis.call('TIME')
local ms = millis(time)
if ARGV[2] ~= '0' and tonumber(ms) > tonumber(ARGV[2]) then
  return 'x\t0\t\t0\t' .. ms .. '\t0\n'
end

local key, intent, how, user, epoch, write = KEYS[1], ARGV[6], ARGV[7], ARGV[10], ARGV[12], ARGV[13]
local field, counter = 'm:' .. ARGV[9], 'u:' .. user
local had = redis.call('HMGET', key, 'seq', 'born', field, counter)
local seq, born, stored, conns = had[1], had[2], had[3], had[4] or '0'
local joined, token, state = ARGV[14], ARGV[17], ARGV[18]
local keep = stored and (how == 'k' or how == 'kq')
local mseq, muser

local function stands(outcome)
  return outcome .. '\t' .. (seq or '0') .. '\t' .. (born or '') .. '\t0\t' .. ms .. '\t' .. conns .. '\n' .. (stored or '')
end

if stored then
  local mepoch, mwrite, mowner, mjoined, muntil, mtoken
  mseq, mepoch, mwrite, mowner = string.match(stored, HEAD)
  local body = string.find(stored, '\n', 1, true)
  if not mseq or not body then
    return redis.error_reply(UNKNOWN)
  end
  muser = user
  if string.sub(stored, body - #user - 1, body - 1) ~= '\t' .. user then
    muser = string.match(stored, USER)
  end
  if intent == 'r' then
    mjoined, muntil, mtoken = string.match(stored, KEPT)
    if token == '' or token ~= mtoken or user ~= muser then
      return stands('f')
    end
  end
  if mepoch == epoch and mowner == ARGV[11] and tonumber(mwrite) >= tonumber(write) then
    return stands('r')
  end
  if ARGV[8] == '0' or mepoch ~= ARGV[8] then
    return stands('f')
  end
  if intent == 'r' then
    if muntil ~= '0' and tonumber(muntil) <= tonumber(ms) then
      return stands('f')
    end
    joined = mjoined
    write = string.format('%d', math.max(tonumber(mwrite) + 1, tonumber(write)))
  end
  if keep then
    state = string.sub(stored, body + 1)
  end
elseif intent ~= 's' and (intent == 'r' or ARGV[8] ~= '0') then
  return stands('m')
end

local reset = lost(seq, born, ARGV[3], ARGV[4])
local publish = reset or (how ~= 'q' and how ~= 'kq')
local prev, begins = seq or '0', reset or not seq
if begins then
  seq, born = first(time, seq, ARGV[3]), ARGV[5]
elseif publish then
  seq = string.format(SEQ, seq + 1)
end
if joined == '0' then
  joined = ms
end
local head = '1' .. (publish and seq or mseq or '0') .. '\t' .. epoch .. '\t' .. write .. '\t' .. ARGV[11] .. '\t'
  .. joined .. '\t' .. ARGV[15] .. '\t' .. ARGV[16] .. '\t' .. token .. '\t' .. user .. '\n'
local value = head .. state

if muser ~= user then
  conns = conns + 1
  if stored and redis.call('HINCRBY', key, 'u:' .. muser, -1) < 1 then
    redis.call('HDEL', key, 'u:' .. muser)
  end
  redis.call('HSET', key, field, value, 'seq', seq, 'born', born, counter, conns)
elseif begins then
  redis.call('HSET', key, field, value, 'seq', seq, 'born', born)
else
  redis.call('HSET', key, field, value, 'seq', seq)
end

local flag = reset and '1' or '0'
if publish then
  redis.call(PUBLISH, ARGV[1], '1e' .. seq .. '\t' .. prev .. '\t' .. born .. '\t' .. flag .. '\t' .. intent
    .. '\t' .. ms .. '\t' .. conns .. '\t\t' .. ARGV[9] .. '\n' .. value)
end
return 'a\t' .. seq .. '\t' .. born .. '\t' .. flag .. '\t' .. ms .. '\t' .. conns .. '\n' .. (keep and value or head)
