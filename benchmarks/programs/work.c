// Something for cc1 to compile: macros, structures, loops, switches.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define FUNCTION(n)                                                                \
    static int f##n(int a, const char* s) {                                        \
        int table[16], t = a;                                                      \
        for (int i = 0; i < 16; ++i) table[i] = (a * (n + 3) + i) ^ (t >> 2);      \
        for (const char* p = s; *p; ++p) {                                         \
            switch (*p & 7) {                                                      \
            case 0: t += table[*p & 15]; break;                                    \
            case 1: t ^= n << 3; break;                                            \
            case 2: t = t * 33 + *p; break;                                        \
            case 3: t -= (int)strlen(s); break;                                    \
            case 4: t = t / (n + 1); break;                                        \
            default: t = (t << 3) | ((unsigned)t >> 29); break;                    \
            }                                                                      \
        }                                                                          \
        return t;                                                                  \
    }
#define TEN(n) FUNCTION(n##0) FUNCTION(n##1) FUNCTION(n##2) FUNCTION(n##3) FUNCTION(n##4) FUNCTION(n##5) FUNCTION(n##6) FUNCTION(n##7) FUNCTION(n##8) FUNCTION(n##9)
TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6)
#define CALL(n) + f##n(argc, argv[0])
#define CALLS(n) CALL(n##0) CALL(n##1) CALL(n##2) CALL(n##3) CALL(n##4) CALL(n##5) CALL(n##6) CALL(n##7) CALL(n##8) CALL(n##9)
int main(int argc, char** argv) {
    printf("%d\n", 0 CALLS(1) CALLS(2) CALLS(3) CALLS(4) CALLS(5) CALLS(6));
    return 0;
}
