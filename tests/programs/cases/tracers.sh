# packages: bash coreutils grep sed procps strace gdb gcc libc6-dev
# strace and gdb, where every process is Ulna's. What they print of addresses, ids and times is left out.
set -u

cat > worker.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static volatile int total;
__attribute__((noinline)) int inner(int x) {
    total += x;
    return x * 2;
}
__attribute__((noinline)) int outer(int x) {
    int result = inner(x + 1);
    return result + 3;
}
static void *work(void *argument) {
    outer(*(int *)argument);
    return NULL;
}
__attribute__((noinline)) static void tick(int n) {
    total += n;
    usleep(1000);
}
int main(int argc, char **argv) {
    (void)argv;
    int seven = 7;
    pthread_t thread;
    for (int n = 0; argc > 1; n++) {
        tick(n % 5);
    }
    printf("outer %d\n", outer(5));
    fflush(stdout);
    pthread_create(&thread, NULL, work, &seven);
    pthread_join(thread, NULL);
    printf("total %d\n", total);
    return 3;
}
END
gcc -g -O1 -fno-inline -pthread worker.c -o worker || exit 1

echo "== strace"
strace -e trace=write -o log bash -c 'echo hello; exit 4'
echo "status $?"
grep -E 'write\(1|exited' log
strace -f -e trace=execve,exit_group -e signal=none -o log bash -c '/bin/true; (exit 5); /bin/false | /bin/true'
grep -c 'execve(' log
grep -oE 'exit_group\([0-9]+|exited with [0-9]+' log | sort | uniq -c | sed 's/^ *//'  # calls of two processes at once are "unfinished", then "resumed"
strace -f -e trace=clone,clone3 -o log ./worker
echo "status $?"
grep -cE 'CLONE_THREAD' log
strace -e inject=getppid:retval=4242 -e trace=getppid -o log bash -c 'echo $PPID'
sed -E 's/ +/ /g' log
strace -c -o log true
grep -cE '^100\.00 .* total$' log
strace --seccomp-bpf -f -e trace=uname -o log bash -c 'uname -s; uname -s'
grep -c 'uname({sysname="Linux"' log

echo "== strace -p"
sleep 60 & sleeper=$!
strace -o log -p $sleeper 2>/dev/null & tracer=$!
until grep -q resuming log 2>/dev/null; do sleep 0.05; done
kill -USR1 $sleeper
wait $sleeper
echo "sleeper $(($? - 128)) $(kill -l $(($? - 128)))"
wait $tracer
sed -E 's/si_[pu]id=[0-9]+/ID/g' log | grep -E '^---|killed'

filter() { sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/(LWP|process) [0-9]+/\1 N/g; s/Thread ADDRESS/Thread/g' | grep -vE '^(\[Thread debugging|\[Thread.* exited|Using host|warning|$)'; }
debug() { timeout 100 gdb -q -nx -batch -iex 'set debuginfod enabled off' "$@" 2>&1 | filter; }

echo "== gdb"
debug -ex 'break inner' -ex 'run >printed' -ex 'backtrace' -ex 'print $x0' -ex 'info registers w0 cpsr' -ex finish -ex next -ex step -ex 'p total' \
    -ex continue -ex 'thread' -ex 'backtrace 3' -ex 'delete' -ex 'set var x = 100' -ex continue ./worker
cat printed
echo "== gdb, stepping and watching"
debug -ex 'break outer' -ex run -ex stepi -ex 'x/i $pc' -ex 'watch total' -ex continue -ex 'p/x $v0.d.u[0]' -ex kill ./worker | grep -vE '=>' | head -20
echo "== gdb, hardware breakpoints"
debug -ex 'break main' -ex run -ex 'delete' -ex 'hbreak inner' -ex 'info breakpoints' -ex continue -ex backtrace -ex continue -ex 'print x' -ex 'thbreak tick' -ex kill ./worker
echo "== gdb -p"
./worker x & worker=$!
sleep 0.2
debug -p $worker -ex 'break tick if n == 3' -ex continue -ex 'p n' -ex detach ./worker | grep -vE '^(\[|ADDRESS in|ADDRESS <)|clock_nanosleep|usleep'
kill -0 $worker && echo alive
kill $worker
wait $worker
echo "status $?"
