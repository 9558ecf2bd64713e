-- KEYS[1] the index   ARGV[1] expiry   ARGV[2] field
redis.call('HDEL', KEYS[1], ARGV[2])
return 1
