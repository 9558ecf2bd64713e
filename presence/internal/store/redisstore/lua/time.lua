-- Reads the time where a key lies.
-- KEYS[1] the key
-- Returns the time, Unix ms
local time = redis.call('TIME')
return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
