-- Deletes a field from each of the indexes.
-- ARGV[1] expiry, as in expiry.lua   ARGV[2] field
-- Returns 0 when it expired
for i = 1, #KEYS do
  redis.call('HDEL', KEYS[i], ARGV[2])
end
return 1
