-- Registers a member in the indexes: in what its node holds, where its user is, or both.
-- ARGV[1] expiry, as in expiry.lua   ARGV[2] the member's field
-- ARGV[3] a letter for each of KEYS: 'n' is what the node holds, 'u' where the user is
-- ARGV[4] node   ARGV[5] user   ARGV[6] the value in what its node holds: epoch, life, user
-- Returns 0 when it expired; the user for whom the node holds the member, if that
--         is another one: then it has written nothing, to this key and those after it
local call = redis.call
for i = 1, #KEYS do
  local key, stands = KEYS[i], call('HGET', KEYS[i], ARGV[2])
  if string.sub(ARGV[3], i, i) == 'n' then
    local user = stands and string.match(stands, '^%d+\t[^\t]*\t([^\t]*)')
    if user and user ~= ARGV[5] then
      return user
    end
    call('HSET', key, ARGV[2], ARGV[6])
  elseif not stands then
    call('HSET', key, ARGV[2], ARGV[4])
  elseif not string.find(' ' .. stands .. ' ', ' ' .. ARGV[4] .. ' ', 1, true) then
    call('HSET', key, ARGV[2], stands .. ' ' .. ARGV[4])
  end
end
return 1
