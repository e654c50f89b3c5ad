# grep, sed, gawk, findutils, diff
for i in $(seq 1 300); do echo "line $i $((i * i % 17)) word$((i % 5))"; done > f
grep -c 'word3' f; grep -E '^line (1|2)[0-9] ' f | wc -l; grep -o 'word[0-9]' f | sort | uniq -c | tr -s ' '; grep -P '(?<=line )\d+5(?= )' -o f | tail -n 1
sed -n '5,7p' f; sed 's/line \([0-9]*\)/L<\1>/; /word4/d' f | tail -n 1; sed -E ':a;s/^([0-9]+)([0-9]{3})/\1,\2/;ta' <<< 1234567
gawk '{c[$4] += $3} END {n = asorti(c, k); for (i = 1; i <= n; i++) print k[i], c[k[i]]}' f
gawk 'BEGIN {printf "%.6f %d %s\n", exp(1) * sin(1), 2 ^ 31, toupper("abc"); srand(1); print strftime("%Y", 0, 1)}'
mkdir t; touch t/a.c t/b.h t/c.c; find t -name '*.c' | sort | xargs -n 1 echo file; find t -type f -print0 | xargs -0 ls | wc -l
diff <(seq 5) <(seq 2 6); echo "diff $?"
