-- Notes where a user is.
-- KEYS[1] where the user is
-- ARGV[1] expiry, as in expiry.lua   ARGV[2] the member's field   ARGV[3] its life
-- ARGV[4] time to live, ms, of all entries of the user
-- Returns 0 when it expired
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
