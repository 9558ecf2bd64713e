-- Put before what deals with several rooms of a connection.

-- A list of rooms from room_id: the id itself when there is one, a JSON array
-- when there are several, or when the id would look like one.
local function rooms(id)
  if string.sub(id, 1, 1) == '[' then
    return cjson.decode(id)
  end
  return { id }
end

local function room_id(list)
  if #list == 1 and string.sub(list[1], 1, 1) ~= '[' then
    return list[1]
  end
  return cjson.encode(list)
end
