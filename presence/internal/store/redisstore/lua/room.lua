-- Begins the scripts that write a room; they go on with what it has read.
-- PUBLISH is the command to publish with, EVENTS what the room's channel has at
-- the end of its name; both are filled in.
-- KEYS[1]   the room; its channel is named after it
-- ARGV[1]   expiry, as in expiry.lua
-- ARGV[2]   field of the member   ARGV[3] field of the user's counter
-- ARGV[5]   where the caller's replica stands, seq and born as in the room;
--           born empty: it expects nothing, but goes on above that seq
-- ARGV[6]   the same with the seq after it: to compare costs less than to count
-- Returns   the outcome, a letter
local call = redis.call
local time = call('TIME')
local sec, us = time[1], time[2]
if sec >= ARGV[1] and sec * 1000 + us / 1000 >= ARGV[1] + 1001 then
  return 'x'
end
local key, field = KEYS[1], ARGV[2]
local had = call('HMGET', key, 'at', field, ARGV[3])
local at, stored, conns = had[1], had[2], had[3]

-- Where the room stands when it is raised, and what the last line of the record
-- says of what came before: nothing when that is the seq before.
local raised, before, reset = ARGV[6], '', false
if at ~= ARGV[5] then
  local seq, born, fromSeq, fromBorn = '0', '', string.match(ARGV[5], '^(%d+) (%w*)$')
  if at then
    seq, born = string.match(at, '^(%d+) (%w+)$')
  end
  reset = fromBorn ~= '' and (born ~= fromBorn or tonumber(seq) < tonumber(fromSeq))
  if reset or not at then
    before = '\t' .. seq .. (reset and '\tr' or '')
    raised = string.format('%d', math.max(sec * 1000000 + us, fromSeq + 1, seq + 1)) -- '..' would round it
      .. ' ' .. string.sub(redis.sha1hex(sec .. us .. key .. field), 1, 13)
  else
    if tonumber(fromSeq) > tonumber(seq) then
      before = '\t' .. seq
    end
    raised = string.format('%d', math.max(seq, fromSeq) + 1) .. ' ' .. born
  end
end

