-- Finds what the user may not do, without doing it.
-- KEYS[1]   any key: it says where to run
-- ARGV      commands to try, their words separated by spaces
-- Returns   those that the user may not run; none where Redis cannot tell (before 7)
local lacks = {}
if not redis.acl_check_cmd then
  return lacks
end
for _, text in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(text, '[^ ]+') do
    words[#words + 1] = word
  end
  local known, may = pcall(redis.acl_check_cmd, unpack(words))
  if known and not may then
    lacks[#lacks + 1] = words[1]
  end
end
return lacks
