-- Put before the scripts of rooms. PUBLISH or SPUBLISH is filled in for the
-- command to publish with.

-- A member's header is seq, epoch, write, owner, joined, grace, until, flags,
-- lost, token, user. These match the first four; what a resume looks at; the
-- user.
local HEAD = '^1(%d+)\t(%d+)\t(%d+)\t([^\t\n]*)\t'
local KEPT = '^1%d+\t%d+\t%d+\t[^\t\n]*\t(%d+)\t%d+\t(%d+)\t[^\t\n]*\t[^\t\n]*\t(%x*)\t'
local USER = '\t([^\t\n]*)\n'
local UNKNOWN = 'PRSVERSION member of a version that this node does not know'

-- A seq is above 10^14: '..' would round it.
local SEQ = '%d'

-- Milliseconds from the answer to TIME.
local function millis(time)
  return time[1] .. string.sub('00000' .. time[2], -6, -4)
end

-- Whether the record is not the one that the caller knew: missing, behind it,
-- or of another birth. A caller that knows none gives '' as born.
local function lost(seq, born, fromSeq, fromBorn)
  if fromBorn == '' then
    return false
  end
  return not seq or born ~= fromBorn or tonumber(seq) < tonumber(fromSeq)
end

-- The first seq of a record that begins now, or anew: above both known ones.
local function first(time, seq, fromSeq)
  return string.format(SEQ, math.max(time[1] * 1000000 + time[2], fromSeq + 1, (seq or 0) + 1))
end
