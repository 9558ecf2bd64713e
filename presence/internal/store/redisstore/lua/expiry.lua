-- Put before scripts whose ARGV[1] is the expiry less a second, in Unix ms with
-- 13 digits: the text is greater than the seconds until the last one.
local time = redis.call('TIME')
if time[1] >= ARGV[1] and time[1] * 1000 + time[2] / 1000 >= ARGV[1] + 1001 then
  return 0
end
