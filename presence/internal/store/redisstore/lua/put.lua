-- Writes a member in all cases that put_usual.lua leaves.
-- Returns   the record that was published, maybe without its state; else the
--           outcome, where the room stands, and after a line break the record that
--           stands, if any
local quiet, keep, fence, shift = string.match(ARGV[4], '^%-(.)(.)(%d+) (.*)$')
if not fence then
  fence = string.match(ARGV[4], '^%d+\t(%d+)') or '0'
end
local record = ARGV[7]
local _, epoch, write, owner, user, intent, _, _, token, _, more, body = string.match(record, RECORD)
local muser, mseq
conns = conns or '0'

local function stands(outcome, what)
  return outcome .. '\t' .. (at or '0 ') .. '\n' .. (what or '')
end

if stored then
  local mversion, mepoch, mwrite, mowner, mjoined, muntil, mtoken, mlife, mmore, mbody, last
  mversion, mepoch, mwrite, mowner, muser, _, mjoined, muntil, mtoken, mlife, mmore, mbody = string.match(stored, RECORD)
  if not mepoch then
    return redis.error_reply(UNREADABLE)
  end
  if intent == 'r' and (token == '' or token ~= mtoken or user ~= muser) then
    return stands('f', stored)
  end
  if mepoch == epoch and mowner == owner and tonumber(mwrite) >= tonumber(write) then
    return stands('r', stored)
  end
  if fence == '0' or mepoch ~= fence or mowner ~= owner and (intent == 'j' or intent == 'u') then
    return stands('f', stored)
  end
  last, mseq = string.match(stored, LAST, -150)
  if keep == 'k' then
    record = string.sub(record, 1, body - 1) .. string.sub(stored, mbody, last - 1)
  end
  if intent == 'r' then
    if muntil ~= '0' and muntil + shift - sec * 1000 <= us / 1000 then
      return stands('f', stored)
    end
    write = string.format('%d', math.max(mwrite + 1, write))
    local a, b, c = string.match(record, '^%d+(\t%d+\t)%d+(\t[^\t]*\t[^\t]*\t[^\t]*\t%a\t)%d+(\t%d+\t%d+\t[^\t\n]*\t[^\t\n]*\t%x*\t)')
    record = mversion .. a .. write .. b .. joinedIn(stored, mjoined) .. c .. mlife .. mmore .. string.sub(record, body - 1)
  elseif more == '' and mmore ~= '' then -- of a later version, which another node knows
    record = mversion .. string.match(record, '^%d+([^\n]*)') .. mmore .. string.sub(record, body - 1)
  end
elseif intent ~= 's' and (intent == 'r' or fence ~= '0') then
  return stands('m')
end

local publish = reset or quiet ~= 'q'
if publish or not at then
  at = raised
end
local counts = muser ~= user
if counts then
  conns = conns + 1
end
local line = '\n' .. (publish and at .. '\t' or (mseq or '0') .. ' \t') .. sec .. '\t' .. us .. '\t' .. conns
if publish then
  line = line .. before
end
local value = record .. line
if counts then
  if stored and call('HINCRBY', key, 'u:' .. muser, -1) < 1 then
    call('HDEL', key, 'u:' .. muser)
  end
  call('HSET', key, field, value, 'at', at, ARGV[3], conns)
else
  call('HSET', key, field, value, 'at', at)
end
local answer = value
if #value >= 1000 and not (stored and keep == 'k') then
  answer = string.match(value, '^[^\n]*\n') .. line
end
if not publish then
  return stands('a', answer)
end
call(PUBLISH, key .. EVENTS, value)
return answer
