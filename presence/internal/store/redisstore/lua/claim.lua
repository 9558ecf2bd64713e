-- Takes or prolongs a claim.
-- KEYS[1] the claim
-- ARGV[1] who claims   ARGV[2] for how long, ms
-- Returns 1 when it holds now, 0 when another one has it
local by = redis.call('GET', KEYS[1])
if by and by ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
