// Does what its first argument says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
    const char* const what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "exit") == 0) {
        return atoi(argv[2]);
    }
    if (strcmp(what, "argv0") == 0) {
        puts(argv[0]);
    } else if (strcmp(what, "getenv") == 0) {
        const char* const value = getenv(argv[2]);
        puts(value != NULL ? value : "(unset)");
    } else if (strcmp(what, "segv") == 0) {
        *(volatile int*)16 = 1;
    } else if (strcmp(what, "jump") == 0) {
        ((void (*)(void))4096)();
    } else if (strcmp(what, "abort") == 0) {
        abort();
    } else if (strcmp(what, "ill") == 0) {
        __asm__ volatile("udf #0");
    } else if (strcmp(what, "trap") == 0) {
        __asm__ volatile("brk #0");
    } else if (strcmp(what, "stack") == 0) {
        volatile char big[1 << 20];
        big[0] = 1;
        argv[1][0] += big[0] - 1;
        return main(argc, argv) + big[0];
    }
    return 0;
}
