-- Removes an entry of a user if it is of that life.
-- KEYS[1] where the user is
-- ARGV[1] expiry, as in expiry.lua   ARGV[2] the member's field   ARGV[3] life
-- Returns 0 when it expired
if redis.call('HGET', KEYS[1], ARGV[2]) == ARGV[3] then
  redis.call('HDEL', KEYS[1], ARGV[2])
end
return 1
