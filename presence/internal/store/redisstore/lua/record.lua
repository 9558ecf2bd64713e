-- How to read a record: put behind room.lua, before what does.

-- The header of a record, as doc.go has it. Captured are version, epoch, write, owner,
-- user, intent, joined, until, token, life, the fields that this version does not know,
-- each with its tab, and where the state begins.
local RECORD = '^(%d+)\t(%d+)\t(%d+)\t([^\t\n]*)\t([^\t\n]*)\t[^\t\n]*\t(%a)\t(%d+)\t%d+\t(%d+)\t[^\t\n]*\t[^\t\n]*\t(%x*)\t([^\t\n]*)([^\n]*)\n()'
-- Its last line: where it begins, the seq, the time.
local LAST = '()\n(%d+) %w*\t(%d+)\t(%d+)\t[^\n]*$'
local UNREADABLE = 'PRSRECORD the record of a member cannot be read'

-- When the member joined: with its record, if that says 0.
local function joinedIn(record, joined)
  if joined == '0' then
    local _, _, s, u = string.match(record, LAST, -150) -- the line is shorter than that
    joined = s .. string.sub('00000' .. u, -6, -4)
  end
  return joined
end

