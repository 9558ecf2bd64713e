-- Put before the scripts of rooms, or before what is not the usual of them.

-- A member's record has, between tabs, the version and then
--   epoch write owner user conn intent
--   reset prev seq born sec us conns
--   joined grace until flags lost token
-- and after a line break its state. HEAD matches up to seq: epoch, write,
-- owner, user, seq and where born begins.
local HEAD = '^1\t(%d+)\t(%d+)\t([^\t\n]*)\t([^\t\n]*)\t[^\t\n]*\t%a\tr?\t%d*\t(%d+)\t()'
local UNKNOWN = 'PRSVERSION member of a version that this node does not know'

-- A seq is above 10^14: '..' would round it.
local SEQ = '%d'

-- Whether the record is not the one that the caller knew: missing, behind it,
-- or of another birth. A caller that knows none gives '' as born.
local function lost(seq, born, fromSeq, fromBorn)
  return fromBorn ~= '' and (born ~= fromBorn or tonumber(seq) < tonumber(fromSeq))
end

-- The first seq of a record that begins now, or anew: above both known ones.
local function first(time, seq, fromSeq)
  return string.format(SEQ, math.max(time[1] * 1000000 + time[2], fromSeq + 1, (seq or 0) + 1))
end
