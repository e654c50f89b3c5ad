# LuaJIT: a JIT compiler inside the guest, FFI calls and callbacks, deep recursion; the interpreter alone prints the same
cat > t.lua <<'EOT'
local ffi = require "ffi"
ffi.cdef "void qsort(void*, size_t, size_t, int (*)(const double*, const double*)); double pow(double, double);"
local t = {}
for i = 1, 50000 do t[i] = (i * 7919) % 100003 end
table.sort(t)
print(t[1], t[25000], t[#t])
local s = 0
for i = 1, 1000000 do s = s + math.sin(i) * (i % 3) end
print(string.format("%.9f", s))
local a = ffi.new("double[1000]")
for i = 0, 999 do a[i] = (i * 37) % 1000 * 0.5 end
ffi.C.qsort(a, 1000, 8, function(x, y) return x[0] < y[0] and -1 or x[0] > y[0] and 1 or 0 end)
print(a[0], a[1], a[999], ffi.C.pow(1.5, 7))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(co(), co(), co())
local function f(n) if n < 2 then return n end return f(n - 1) + f(n - 2) end
print(f(24), select(2, ("a,"):rep(1000):gsub(",", "")), bit.bxor(0x12345678, bit.rol(0xdeadbeef, 7)))
print(pcall(function() local function r() return 1 + r() end return r() end) == false, pcall(error, {}) == false)
local u = ffi.new("uint64_t", 1) for i = 1, 100 do u = u * 6364136223846793005ULL + 1442695040888963407ULL end print(u)
EOT
luajit t.lua > jit && luajit -joff t.lua > interpreter && cmp jit interpreter && cat jit
luajit -e 'print(jit.status(), jit.arch)' | grep -q '^true' && echo compiling
