-- Takes one member out, raises the room's seq and publishes the event. The
-- last one out takes the room with it.
-- ARGV[3]   the name of no field
-- ARGV[4]   epoch that the stored member must have; 0: any
-- ARGV[7]   reason
-- ARGV[8]   owner, and ARGV[9] life, that the stored member must have; empty: any
if not stored then
  return 'm'
end
local _, epoch, _, owner, user, _, joined, _, _, life = string.match(stored, RECORD)
if not epoch then
  return redis.error_reply(UNREADABLE)
end
if ARGV[4] ~= '0' and epoch ~= ARGV[4] or ARGV[8] ~= '' and owner ~= ARGV[8] or ARGV[9] ~= '' and life ~= ARGV[9] then
  return 'f'
end
local counter = 'u:' .. user
conns = call('HGET', key, counter) - 1
local last = conns < 1 and call('HLEN', key) == 3 -- at, the member, its user
if last then
  call('DEL', key)
elseif conns < 1 then
  call('HDEL', key, field, counter)
  call('HSET', key, 'at', raised)
else
  call('HDEL', key, field)
  call('HSET', key, 'at', raised, counter, conns)
end
local value = '1\t' .. epoch .. '\t0\t' .. owner .. '\t' .. user .. '\t' .. string.sub(field, 3) .. '\tl\t'
  .. joinedIn(stored, joined) .. '\t0\t0\t\t' .. ARGV[7] .. '\t\t' .. life .. '\n\n' .. raised .. '\t' .. sec .. '\t' .. us .. '\t' .. conns
call(PUBLISH, key .. EVENTS, value)
return 'a'
