-- KEYS[1] the index   ARGV[1] expiry   ARGV[2] field   ARGV[3] value
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
