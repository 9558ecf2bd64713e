-- Sets a field in each of the indexes.
-- ARGV[1] expiry, as in expiry.lua   ARGV[2] field   ARGV[3..] a value for each of KEYS
-- Returns 0 when it expired
for i = 1, #KEYS do
  redis.call('HSET', KEYS[i], ARGV[2], ARGV[i + 2])
end
return 1
