// Does what its first argument says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// 4096 functions: more code than the smallest cache holds.
#define CODE1(n)                                                                                   \
    static __attribute__((noinline)) unsigned f##n(unsigned x) {                                   \
        __asm__ volatile("" : "+r"(x));                                                            \
        return (x ^ 0x##n) * 0x9e3779b1u + (x >> 7);                                               \
    }
#define CODE8(n)                                                                                   \
    CODE1(n##0) CODE1(n##1) CODE1(n##2) CODE1(n##3) CODE1(n##4) CODE1(n##5) CODE1(n##6) CODE1(n##7)
#define CODE64(n)                                                                                  \
    CODE8(n##0) CODE8(n##1) CODE8(n##2) CODE8(n##3) CODE8(n##4) CODE8(n##5) CODE8(n##6) CODE8(n##7)
#define CODE512(n)                                                                                 \
    CODE64(n##0)                                                                                   \
    CODE64(n##1) CODE64(n##2) CODE64(n##3) CODE64(n##4) CODE64(n##5) CODE64(n##6) CODE64(n##7)
#define CALL1(n) x = f##n(x);
#define CALL8(n)                                                                                   \
    CALL1(n##0) CALL1(n##1) CALL1(n##2) CALL1(n##3) CALL1(n##4) CALL1(n##5) CALL1(n##6) CALL1(n##7)
#define CALL64(n)                                                                                  \
    CALL8(n##0) CALL8(n##1) CALL8(n##2) CALL8(n##3) CALL8(n##4) CALL8(n##5) CALL8(n##6) CALL8(n##7)
#define CALL512(n)                                                                                 \
    CALL64(n##0)                                                                                   \
    CALL64(n##1) CALL64(n##2) CALL64(n##3) CALL64(n##4) CALL64(n##5) CALL64(n##6) CALL64(n##7)
#define ALL(what) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8)
ALL(CODE512)

static unsigned run_much_code(unsigned x) {
    ALL(CALL512)
    return x;
}

int main(int argc, char** argv) {
    const char* const what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "exit") == 0) {
        return atoi(argv[2]);
    }
    if (strcmp(what, "exec") == 0) { // the same again, without this word
        argv[1] = argv[0];
        return execv("/proc/self/exe", argv + 1) + 99;
    }
    if (strcmp(what, "argv0") == 0) {
        puts(argv[0]);
    } else if (strcmp(what, "getenv") == 0) {
        const char* const value = getenv(argv[2]);
        puts(value != NULL ? value : "(unset)");
    } else if (strcmp(what, "code") == 0) {
        const unsigned once = run_much_code(1);
        return run_much_code(1) == once ? 0 : 1;
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
