node -e 'console.log(process.arch, [1, 2, 3].map((x) => x * x).join(), JSON.stringify({a: 1n.toString()}), Math.hypot(3, 4), 0.1 + 0.2)'
node -e 'let s = 0; for (let i = 0; i < 3e6; ++i) s = (s + i * 7) % 1000003; console.log(s); setTimeout(() => console.log("later"), 20); Promise.resolve().then(() => console.log("soon"))'
node -e 'const c = require("crypto"); console.log(c.createHash("sha256").update("abc").digest("hex")); const z = require("zlib"); console.log(z.gunzipSync(z.gzipSync("x".repeat(10000))).length); console.log(require("child_process").execSync("echo child").toString().trim())'
