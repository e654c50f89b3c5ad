cat > t.lua <<'EOF'
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
print(co(), co(), co())
local t = setmetatable({}, {__index = function(_, k) return k .. "!" end})
print(t.x, #("abc"):rep(1000), ("%5.2f|%q"):format(3.14159, "q\n"))
print(pcall(error, {code = 1}), select("#", nil, nil), math.maxinteger // 3, 7 // -2, -7 % 3, 2 ^ 0.5, 1e300 * 1e10, math.pi)
local s = 0 for w in ("the quick brown fox"):gmatch("%a+") do s = s + #w end print(s, string.pack("<i4", 42):byte(1, 4))
local function ack(m, n) if m == 0 then return n + 1 elseif n == 0 then return ack(m - 1, 1) else return ack(m - 1, ack(m, n - 1)) end end
print(ack(2, 300)) for i = 1, 200 do local _ = {} end collectgarbage() print(utf8.char(228, 8364), os.time{year = 2000, month = 1, day = 1, hour = 12} > 0)
EOF
lua5.4 t.lua
