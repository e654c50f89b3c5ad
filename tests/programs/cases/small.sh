# coreutils, tar, gzip, zstd, sqlite3, openssl on little data: short enough for the IR interpreter, which runs it, too
seq 1 300 > n; wc n; sort -rn n | head -n 1; sort -R n | sort -n | cmp - n && echo same; tac n | head -n 1; shuf -i 1-9 | sort | tr -d '\n'; echo
md5sum n; sha1sum n; sha256sum n; sha512sum n; cksum n; b2sum n | cut -c1-32; base64 n | head -n 1; od -An -tx1 -N8 n; factor 1234567890123
cut -c1-1 n | uniq -c | tr -s ' '; comm -12 <(seq 1 5) <(seq 3 7) | tr '\n' ' '; join <(seq 3) <(seq 2 4) | tr '\n' ' '; echo; expr 17 % 5
numfmt --to=iec 1048576; date -u -d @0 +%F; printf '%05.2f %x\n' 3.14159 255; seq -f %g 0 0.25 1 | tr '\n' ' '; echo; stat -c '%s %F' n; dd if=n of=o bs=10 count=3 2> dd; cat dd | head -n 1
timeout 0.2 sleep 5; echo "timeout $?"; mkdir -p d/e; cp n d/e; ln -s e d/l; du -a --apparent-size d | wc -l; ls -1R d; split -n 3 n part.; cat part.* | cmp - n && echo joined
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf t.tar d; tar -tf t.tar; tar -xf t.tar -O d/e/n | cmp - n && echo tar; gzip -nk n; md5sum < n.gz; zcat n.gz | cmp - n && echo gzip; zstd -q -1 -k n; zstdcat n.zst | cmp - n && echo zstd
sqlite3 t.db "create table t(a integer primary key, b text, c real); with recursive n(i) as (select 1 union all select i + 1 from n where i < 200) insert into t(b, c) select 'n' || i % 10, i / 7.0 from n; create index i on t(b); select b, count(*), round(sum(c), 3) from t group by b order by b limit 3; delete from t where a % 2; vacuum; select count(*), max(b) from t; pragma integrity_check;"
openssl dgst -sha256 -r n; openssl enc -aes-128-cbc -K 00112233445566778899aabbccddeeff -iv 0 -in n 2> /dev/null | md5sum
