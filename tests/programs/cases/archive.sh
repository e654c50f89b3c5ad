# tar, gzip, xz, zstd: round trips, with equal bytes where the formats are deterministic
seq 1 60000 > data; mkdir tree; cp data tree/a; head -c 5000 data > tree/b; ln -s a tree/link
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf t.tar tree; md5sum < t.tar; tar -tf t.tar
gzip -nk data; md5sum < data.gz; zcat data.gz | cmp - data && echo gzip
xz -k -T1 data; xz -t data.xz && xzcat data.xz | cmp - data && echo xz; md5sum < data.xz
zstd -q -k -9 data; zstdcat data.zst | cmp - data && echo zstd; zstd -q -T2 -19 -f -k data -o d2.zst && zstd -dq -c d2.zst | cmp - data && echo zstd2
tar -cJf t.tar.xz tree; rm -r tree; tar -xJf t.tar.xz; cmp tree/a data && echo tar; tar --zstd -cf t.tzst tree; tar --zstd -tf t.tzst | wc -l
