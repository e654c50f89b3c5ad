-- Calls, tables, closures, strings, floats.
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
local t = {}
for i = 1, 200000 do t[i] = (i * 7919) % 100003 end
table.sort(t)
local parts = {}
for i = 1, 20000 do parts[#parts + 1] = string.format("%d:%s", i, t[i]) end
local s = table.concat(parts, ",")
local x = 0.0
for i = 1, 1000000 do x = x + math.sin(i) * 0.5 end
print(fib(27), t[1000], #s, string.format("%.6f", x))
