# `openssl speed` to its end, for what it lists; then every cipher, digest and curve that the library has, against native results
speed() { # names of what is measured come out once each if their rate is not zero
    openssl speed -seconds "${TEST_PATIENCE:-1}" -bytes 1024 -mr "$@" > out 2> err || { echo "status $?"; cat err; }
    grep -iE 'error|fail|abort' err
    grep -E '^\+F' out | tr -d '\r' | awk -F: '{ok = 1; for (i = 4; i <= NF; i++) ok = ok && $i > 0; print $1, $3, ok ? "runs" : "does not run"}'
}
speed md5 sha1 sha256 sha512 rmd160 hmac aes-128-cbc aes-256-cbc camellia-128-cbc des-ede3 ghash rand
speed -evp aes-128-gcm; speed -evp chacha20-poly1305; speed -aead -evp aes-256-ccm
speed rsa2048 ecdsap256 ecdhx25519 ed25519 | cut -d' ' -f1,3-
cat > t.js <<'EOT'
const c = require('crypto');
const bytes = (n, seed) => { const b = Buffer.alloc(n); let x = seed; for (let i = 0; i < n; i++) { x = (x * 1103515245 + 12345) & 0x7fffffff; b[i] = x >> 16; } return b; };
const short = b => c.createHash('sha256').update(b).digest('hex').slice(0, 16);
const text = bytes(4096, 7), aad = bytes(20, 9);
for (const name of c.getCiphers().sort()) {
    const i = c.getCipherInfo(name);
    if (!i || /wrap|cbc-hmac/.test(name)) continue;
    const aead = /gcm|ccm|ocb|poly1305/i.test(name), options = aead ? {authTagLength: 16} : {};
    const key = bytes(i.keyLength, 1), iv = i.ivLength ? bytes(/ccm|ocb/i.test(name) ? 12 : i.ivLength, 2) : null;
    try {
        const e = c.createCipheriv(name, key, iv, options), d = c.createDecipheriv(name, key, iv, options);
        if (aead) e.setAAD(aad, {plaintextLength: text.length});
        const out = Buffer.concat([e.update(text), e.final()]);
        if (aead) { d.setAuthTag(e.getAuthTag()); d.setAAD(aad, {plaintextLength: text.length}); }
        const back = Buffer.concat([d.update(out), d.final()]);
        console.log(name, short(out), aead ? e.getAuthTag().toString('hex') : '', back.equals(text) ? 'round trip' : 'DIFFERS');
    } catch (error) { console.log(name, error.code); }
}
for (const name of c.getHashes().sort()) {
    try { console.log(name, c.createHash(name).update(text).digest('hex').slice(0, 32), c.createHmac(name, aad).update(text).digest('hex').slice(0, 32)); }
    catch (error) { console.log(name, error.code); }
}
for (const name of c.getCurves().sort()) {
    const e = c.createECDH(name), n = e.generateKeys().length;
    try { e.setPrivateKey(bytes(n - 1 >> 1, 3).fill(0, 0, 2)); console.log(name, short(e.getPublicKey())); }
    catch (error) { console.log(name, error.code); }
}
console.log(c.pbkdf2Sync('p', 's', 1000, 32, 'sha512').toString('hex'), c.scryptSync('p', 's', 32, {N: 1024}).toString('hex'));
// NIST SP 800-38D, test case 2; RFC 8439 A.5 is what the list above repeats
const gcm = c.createCipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12));
console.log(gcm.update(Buffer.alloc(16)).toString('hex'), gcm.final().length, gcm.getAuthTag().toString('hex'));
EOT
node t.js 2> /dev/null
