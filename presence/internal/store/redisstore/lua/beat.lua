-- Notes a node's life sign, judges the others by theirs, and lists the dead.
-- KEYS[1]   the nodes: last life sign, Unix ms, or minus when marked dead
-- ARGV[1]   node     ARGV[2] expiry, Unix ms; 0: none
-- ARGV[3]   how old, in ms, the sign of a node that lives may be; '': do not judge
-- ARGV[4]   how old, in ms, the node's own may be for it to judge
-- ARGV[5]   how long, in ms, a mark stays     ARGV[6] how many to mark and to list
-- ARGV[7]   'k': the node was known before; it is not noted if it is not known now
-- Returns   time, Unix ms (or none when expired); 'r' renewed, 'n' not known before or
--           'd' marked dead; then the dead, those marked last first
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= '0' and now > tonumber(ARGV[2]) then
  return {}
end
local ms = string.format('%d', now)
local own = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or nil)
if own and own < 0 then
  return { ms, 'd' }
end
if not own and ARGV[7] == 'k' then
  return { ms, 'n' }
end
redis.call('ZADD', KEYS[1], ms, ARGV[1])
if own and ARGV[3] ~= '' and now - own <= tonumber(ARGV[4]) then
  local bound = string.format('(%d', now - ARGV[3])
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '0', bound, 'LIMIT', 0, ARGV[6])) do
    redis.call('ZADD', KEYS[1], '-' .. ms, id)
  end
end
local oldest = string.format('-%d', now - ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. oldest, '(0')
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', oldest, 'LIMIT', 0, ARGV[6])
return { ms, own and 'r' or 'n', unpack(dead) }
