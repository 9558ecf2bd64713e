-- Ends a script whose work put_usual.lua has done.
if done then
  return done
end

