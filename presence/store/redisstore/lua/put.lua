-- Goes on where put_usual.lua ends.
-- ARGV[9] has the intent; 'q' for quiet or '-'; 'k' to keep the stored state or
--         '-'; the fence: epoch that the stored member must have, 0 when there
--         must be none; born of a record that begins; and then, between tabs,
--         epoch, write, owner, user and token that are in ARGV[7,8] too
local intent, quiet, keep, fence, begin, rest = string.match(ARGV[9], '^(.)(.)(.)(%d+)\t(%w+)\t()')
local head, tail, counter = ARGV[7], ARGV[8], ARGV[3]
local mseq, muser, user
conns = conns or '0'

local function stands(outcome, record)
  return outcome .. '\t' .. (seq or '0') .. '\t' .. (born or '') .. '\t' .. sec .. '\t' .. us .. '\t' .. conns .. '\n' .. (record or '')
end

if stored then
  local epoch, write, owner, token, mepoch, mwrite, mowner, mrest
  epoch, write, owner, user, token = string.match(ARGV[9], '^(%d+)\t(%d+)\t([^\t]*)\t([^\t]*)\t(%x*)', rest)
  mepoch, mwrite, mowner, muser, mseq, mrest = string.match(stored, HEAD)
  local body = string.find(stored, '\n', 1, true)
  if not mepoch or not body then
    return redis.error_reply(UNKNOWN)
  end
  local msec, mus, mjoined, muntil, mtoken
  if intent == 'r' then
    msec, mus, mjoined, muntil, mtoken = string.match(stored,
      '^[^\t\n]*\t(%d+)\t(%d+)\t%d+\t(%d+)\t%d+\t(%d+)\t[^\t\n]*\t[^\t\n]*\t(%x*)\n', mrest)
    if token == '' or token ~= mtoken or user ~= muser then
      return stands('f', stored)
    end
  end
  if mepoch == epoch and mowner == owner and tonumber(mwrite) >= tonumber(write) then
    return stands('r', stored)
  end
  if fence == '0' or mepoch ~= fence then
    return stands('f', stored)
  end
  if intent == 'r' then
    if muntil ~= '0' and muntil - sec * 1000 <= us / 1000 then
      return stands('f', stored)
    end
    if mjoined == '0' then -- it joined when the record was written
      mjoined = msec .. string.sub('00000' .. mus, -6, -4)
    end
    local grace = string.find(tail, '\t', 2, true)
    tail = '\t' .. mjoined .. string.sub(tail, grace)
    write = string.format('%d', math.max(mwrite + 1, write))
    head = string.gsub(head, '^1\t%d+\t%d+', '1\t' .. epoch .. '\t' .. write)
  end
  if keep == 'k' then
    tail = string.match(tail, '^[^\n]*\n') .. string.sub(stored, body + 1)
  end
elseif intent ~= 's' and (intent == 'r' or fence ~= '0') then
  return stands('m')
end

local reset = lost(seq, born, ARGV[5], ARGV[6])
local publish = reset or quiet ~= 'q'
local prev, begins = '', reset or not seq
if begins then
  prev = seq or '0'
  seq, born = first(time, seq, ARGV[5]), begin
elseif publish then
  seq = string.format(SEQ, seq + 1)
end
local counts = not stored or muser ~= user
if counts then
  conns = conns + 1
end
local value = head .. (reset and 'r' or '') .. '\t' .. prev .. '\t' .. (publish and seq or mseq or '0') .. '\t' .. born
  .. '\t' .. sec .. '\t' .. us .. '\t' .. conns .. tail
if counts then
  if stored and call('HINCRBY', key, 'u:' .. muser, -1) < 1 then
    call('HDEL', key, 'u:' .. muser)
  end
  call('HSET', key, field, value, 'seq', seq, 'born', born, counter, conns)
elseif begins then
  call('HSET', key, field, value, 'seq', seq, 'born', born)
else
  call('HSET', key, field, value, 'seq', seq)
end
if publish then
  call(PUBLISH, key .. ':events', value)
end
local answer = value
if #value > 1000 and not (stored and keep == 'k') then
  answer = string.match(value, '^[^\n]*\n')
end
if publish then
  return answer
end
return stands('a', answer)
