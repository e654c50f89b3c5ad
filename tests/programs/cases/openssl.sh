# every digest and cipher against known or round-trip results
printf abc > m
for d in md5 sha1 sha224 sha256 sha384 sha512 sha512-256 sha3-224 sha3-256 sha3-512 shake128 blake2b512 blake2s256 ripemd160 sm3; do openssl dgst -provider legacy -provider default -r -$d m 2>/dev/null | cut -d' ' -f1 | sed "s/^/$d /"; done
seq 1 3000 > data; K=000102030405060708090a0b0c0d0e0f; IV=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
for c in aes-128-cbc aes-128-ctr aes-128-cfb aes-128-ofb aes-128-ecb aria-128-cbc camellia-128-cbc sm4-cbc sm4-ctr; do iv="-iv $IV"; [ $c = aes-128-ecb ] && iv=; openssl enc -$c -K $K $iv -in data -out e && openssl enc -d -$c -K $K $iv -in e | cmp - data && echo "$c $(md5sum < e | cut -c1-16)"; done
for c in aes-192-cbc aes-256-cbc aes-256-ctr camellia-256-cbc chacha20; do k=$K$K; [ $c = aes-192-cbc ] && k=${K}0001020304050607; openssl enc -$c -K $k -iv $IV -in data -out e && openssl enc -d -$c -K $k -iv $IV -in e | cmp - data && echo "$c $(md5sum < e | cut -c1-16)"; done
openssl dgst -sha256 -mac HMAC -macopt key:secret -r m; openssl dgst -sha1 -hmac key -r data
openssl genrsa -out k.pem 1024 2>/dev/null && openssl rsa -in k.pem -pubout -out p.pem 2>/dev/null && openssl dgst -sha256 -sign k.pem -out s data && openssl dgst -sha256 -verify p.pem -signature s data
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem && openssl dgst -sha256 -sign ec.pem -out s data && openssl ec -in ec.pem -pubout -out ep.pem 2>/dev/null && openssl dgst -sha256 -verify ep.pem -signature s data
openssl genpkey -algorithm ed25519 -out ed.pem && openssl pkeyutl -sign -rawin -inkey ed.pem -in m -out s && openssl pkeyutl -verify -rawin -inkey ed.pem -in m -sigfile s
openssl prime 170141183460469231731687303715884105727; openssl rand -hex 8 | wc -c
