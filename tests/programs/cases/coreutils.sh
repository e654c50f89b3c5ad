seq 1 20000 > n; wc n; head -n 2 n; tail -n 2 n; sort -rn n | head -n 1; sort -R n | sort -n | cmp - n && echo same
md5sum n; sha1sum n; sha256sum n; sha512sum n; cksum n; b2sum n | cut -c1-32
cp n m; ln m l; ln -s m s; stat -c '%s %h %F' m; readlink s; mv l k; ls -1
mkdir -p d/e/f; touch d/e/f/x; find d -type f; rm -r d; chmod 640 m; stat -c %a m
split -n 3 n part.; cat part.* | cmp - n && echo joined; tac n | head -n 1
cut -c1-2 n | uniq -c | sort -rn | head -n 2 | tr -s ' '; comm -12 <(seq 1 5) <(seq 3 7) | tr '\n' ' '; join <(seq 3) <(seq 2 4) | tr '\n' ' '
echo; od -An -tx1 -N8 n; base64 n | head -n 1; factor 1234567890123; numfmt --to=iec 1048576; expr 17 % 5; date -u -d @0 +%F
dd if=n of=o bs=1000 count=3 2>/dev/null; wc -c < o; truncate -s 5 o; cat o | od -c | head -n 1; env -i A=1 env; nproc > /dev/null; tee t < o > /dev/null; df . > /dev/null; id -u
timeout 0.2 sleep 5; echo "timeout $?"; basename /a/b.c .c; dirname /a/b; printf '%05.2f %x\n' 3.14159 255; seq -f %g 0 0.25 1 | tr '\n' ' '; echo; test -d /proc/self && echo proc
