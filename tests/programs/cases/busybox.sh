busybox echo hello
busybox uname -m
busybox seq 1 5 | busybox awk '{s += $1} END {print s}'
busybox sh -c 'for i in 1 2 3; do busybox expr $i \* $i; done'
busybox printf 'b\na\nc\n' | busybox sort | busybox tr '\n' ' '
echo
busybox printf 'one two' | busybox md5sum
busybox printf 'one two' | busybox sha256sum
