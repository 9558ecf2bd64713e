-- Unregisters a member from the indexes; what is about another user or node stays.
-- ARGV[1..5] as in index_set.lua
-- Returns 0 when it expired
local call = redis.call
for i = 1, #KEYS do
  local key, stands = KEYS[i], call('HGET', KEYS[i], ARGV[2])
  if not stands then -- nothing to do
  elseif string.sub(ARGV[3], i, i) == 'n' then
    if string.match(stands, '^%d+\t[^\t]*\t([^\t]*)') == ARGV[5] then
      call('HDEL', key, ARGV[2])
    end
  elseif stands == ARGV[4] then
    call('HDEL', key, ARGV[2])
  else
    local rest = {}
    for node in string.gmatch(stands, '[^ ]+') do
      if node ~= ARGV[4] then
        rest[#rest + 1] = node
      end
    end
    if #rest == 0 then
      call('HDEL', key, ARGV[2])
    else
      call('HSET', key, ARGV[2], table.concat(rest, ' '))
    end
  end
end
return 1
