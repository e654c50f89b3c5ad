# pipelines, job control, traps, arithmetic, here documents, process substitution
set -m
sleep 0.2 & first=$!
jobs | wc -l
wait $first; echo "waited $?"
(exit 7); echo "status $?"
trap 'echo got USR1' USR1; kill -USR1 $$; sleep 0.05
trap 'echo leaving' EXIT
echo $(( (1 << 40) + 7 % 4 ))
cat <(echo sub1) <(echo sub2)
seq 1000 | grep 7 | wc -l
cat <<EOF | tr a-z A-Z
here document $((6 * 7))
EOF
f() { local x=$1; ((x > 0)) && f $((x - 1)); }
f 200; echo "recursion $?"
sh -c 'kill -TERM $$'; echo "killed $?"
mkfifo p; (echo through a fifo > p) & cat p; wait
declare -A map=([a]=1 [b]=2); echo ${map[b]} ${#map[@]}
printf '%s\n' {1..3}{x,y} | paste -sd,
sleep 10 & sleep 0.2; kill %1; wait %1 2>/dev/null; echo "job $?"
