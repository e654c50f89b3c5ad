# Programs on a heap with tags (glibc.mem.tagging), checked synchronously, asynchronously and in both ways: they
# print what they print without.
for tagging in 3 1 5; do
    export GLIBC_TUNABLES=glibc.mem.tagging=$tagging
    python3 -c 'import json, hashlib; d = {str(i): [i] * (i % 50) for i in range(3000)}; print(hashlib.sha256(json.dumps(d, sort_keys=True).encode()).hexdigest(), len(sorted(d, key=lambda k: k[::-1])))'
    python3 -c 'import threading; r = []; t = [threading.Thread(target=lambda i=i: r.append(sum(len(str(n)) for n in range(i * 500)))) for i in range(8)]; [x.start() for x in t]; [x.join() for x in t]; print(sorted(r))'
    python3 -c 'import subprocess; print(subprocess.run(["sort", "-r"], input=b"b\na\nc\n", stdout=subprocess.PIPE).stdout)'
    perl -e 'my %h; $h{$_ % 97} .= $_ for 1 .. 20000; my $t = 0; $t += length for values %h; print "$t\n"; print `echo backtick`'
    perl -e 'my $s = "aXbXc" x 1000; my $n = () = $s =~ /X(?=b|c)/g; (my $r = reverse $s) =~ tr/a-c/A-C/; print "$n ", substr($r, 0, 6), "\n"'
    sqlite3 :memory: 'create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select i, i * 7 % 31 from n; select b, count(*), sum(a) from t group by b order by 2, 1 limit 3;'
    bash -c 'a=(); for i in {1..500}; do a+=("$i x"); done; echo "${#a[@]} ${a[*]:497}"; seq 1000 | sort -n | awk "{ s += \$1 } END { print s }"'
done
