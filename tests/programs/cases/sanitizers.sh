cat > a.c <<'X'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *count(void *locked) {
    for (int i = 0; i < 1000; ++i) {
        if (locked) pthread_mutex_lock(&lock);
        ++shared;
        if (locked) pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static void threads(void *locked) {
    pthread_t all[2];
    for (int i = 0; i < 2; ++i) pthread_create(&all[i], NULL, count, locked);
    for (int i = 0; i < 2; ++i) pthread_join(all[i], NULL);
}
int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    char *memory = malloc(10);
    if (!strcmp(what, "race")) threads(NULL);
    if (!strcmp(what, "lock")) threads(&lock);
    if (!strcmp(what, "beyond")) memory[9 + argc] = 1;
    if (!strcmp(what, "overflow")) printf("%d\n", 0x7fffffff + argc);
    if (!strcmp(what, "leak")) memory = NULL;
    free(memory);
    if (!strcmp(what, "freed")) return memory[argc] == 3;
    puts("end");
    return 0;
}
X
for s in thread undefined address; do gcc -g -O0 -w -pthread -fsanitize=$s a.c -o $s; done
./thread race 2>&1 | sed -n 's/^\(WARNING: ThreadSanitizer: data race\) .*/\1/p; s/^  Location is \(global .shared. of size 4\) .*/\1/p; /^end/p'
./thread lock
./undefined overflow 2>&1 | sed 's/.*runtime error/runtime error/'
export ASAN_OPTIONS=detect_leaks=0
./address beyond 2>&1 | grep -o 'AddressSanitizer: heap-buffer-overflow\|WRITE of size 1\|in main .*' | head -3 | sed 's/[^ ]*a\.c/a.c/'
# Its search for leaks traces the program's threads.
(unset ASAN_OPTIONS; ./address leak 2>&1 | grep -o 'Direct leak.*from:\|SUMMARY.*')
./address freed 2>&1 | grep -o 'AddressSanitizer: heap-use-after-free\|READ of size 1' | head -2
./address
