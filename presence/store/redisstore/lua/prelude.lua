-- Put before every other script.

-- Numbers above 10^14 would be rounded by '..'.
local function int(n)
  return string.format('%.0f', n)
end

-- The time in microseconds.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- The fields of a member's header and where its state begins: seq, epoch,
-- write, owner, joined, grace, until, flags, lost, token, user, position.
local function member(value)
  return string.match(value,
    '^1(%d+)\t(%d+)\t(%d+)\t([^\t]*)\t(%d+)\t(%d+)\t(%d+)\t([^\t]*)\t([^\t]*)\t(%x*)\t([^\n]*)\n()')
end

local unknown = 'PRSVERSION member of a version that this node does not know'

-- Whether the record is not the one that the caller knew: missing, behind it,
-- or of another birth. A caller that knows none gives 0 and ''.
local function lost(seq, born, fromSeq, fromBorn)
  if fromSeq == '0' and fromBorn == '' then
    return false
  end
  return not seq or born ~= fromBorn or tonumber(seq) < tonumber(fromSeq)
end

-- The first seq of a record that begins now, or anew above both known ones.
local function first(us, reset, seq, fromSeq)
  if not reset then
    return us
  end
  return math.max(us, tonumber(fromSeq) + 1, (tonumber(seq) or 0) + 1)
end
