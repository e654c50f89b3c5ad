// What the self-checking guest programs share. A failed check names its line and ends the program.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char text_[256];                                                                       \
            const int length_ = snprintf(text_, sizeof text_, "%s:%d: failed: %s (errno %d)\n",    \
                                         __FILE__, __LINE__, #condition, errno);                   \
            if (write(2, text_, length_) < 0) {                                                    \
            }                                                                                      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// A test that takes longer hangs. Where all code is compiled by LLVM, TEST_PATIENCE makes it more.
static inline unsigned most_seconds(void) {
    const char* const patience = getenv("TEST_PATIENCE");
    return 300 * (patience ? atoi(patience) : 1);
}

#define RUN(test)                                                                                  \
    do {                                                                                           \
        alarm(most_seconds());                                                                     \
        test();                                                                                    \
        alarm(0);                                                                                  \
        printf("%s OK\n", #test);                                                                  \
        fflush(stdout);                                                                            \
    } while (0)

static inline long long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static inline void sleep_ms(int ms) {
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}
