# Interpreter work with the standard library: json, re, dictionaries, floats, big integers.
import json
import re

total = 0
for i in range(40):
    data = {str(k): [k, k * 0.5, "x" * (k % 7)] for k in range(400)}
    text = json.dumps(data)
    total += len(json.loads(text)) + len(re.findall(r"x+", text))
fib = [0, 1]
for i in range(3000):
    fib.append(fib[-1] + fib[-2])
sieve = bytearray(b"\1") * 200000
for i in range(2, 448):
    if sieve[i]:
        sieve[i * i :: i] = bytes(len(range(i * i, 200000, i)))
x = 0.0
for i in range(300000):
    x += (i % 7) * 0.125 - (i & 3)
print(total, fib[-1] % 1000007, sum(sieve), x)
