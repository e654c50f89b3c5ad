// Objects, closures, typed arrays, strings, in a JIT.
const m = new Map();
for (let i = 0; i < 300000; ++i) m.set(i * 7919 % 10007, i);
const a = new Float64Array(200000).map((_, i) => Math.sqrt(i));
let s = 0;
for (let r = 0; r < 20; ++r) for (let i = 0; i < a.length; ++i) s += a[i] * (i & 3);
const words = Array.from({length: 50000}, (_, i) => 'w' + i * 31 % 977).sort();
console.log(m.size, s.toFixed(3), words[12345]);
