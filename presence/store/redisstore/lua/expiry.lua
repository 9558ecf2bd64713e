-- Put before scripts whose ARGV[1] is the time, Unix ms, after which they do
-- nothing and return 0; '0': never.
if ARGV[1] ~= '0' then
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 >= ARGV[1] + 1 then
    return 0
  end
end
