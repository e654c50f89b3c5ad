// cflags: -march=armv8.5-a+memtag -fno-builtin
// The C library's heap with tags (glibc.mem.tagging): overflows and uses after free are found, in each mode.
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

#ifndef SEGV_MTEAERR
#define SEGV_MTEAERR 8
#define SEGV_MTESERR 9
#endif
enum { kNothing = 1 };

static void on_signal(int signal, siginfo_t* info, void* context) {
    (void)context;
    _exit(signal == SIGSEGV ? info->si_code : 100);
}

// Exits with the code of the signal that the mistake raises.
static int make_mistake(const char* mistake) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    char* volatile block = malloc(100);
    memset(block, 1, 100);
    char* volatile large = malloc(1 << 20); // mapped on its own
    memset(large, 1, 1 << 20);
    if (strcmp(mistake, "overflow") == 0) {
        block[112] = 1;
    } else if (strcmp(mistake, "underflow") == 0) {
        block[-1] = 1;
    } else if (strcmp(mistake, "after free") == 0) {
        free(block);
        (void)*(volatile char*)(block + 1);
    } else if (strcmp(mistake, "copy") == 0) {
        memcpy(large, block, 200);
    } else if (strcmp(mistake, "system call") == 0) { // no signal: EFAULT
        free(block);
        errno = 0;
        const ssize_t written = write(1, block + 16, 1);
        return written == -1 && errno == EFAULT ? 20 : kNothing;
    } else { // no mistake: blocks of all sizes, in use and reused
        char* blocks[64] = {0};
        for (unsigned i = 0; i < 4000; ++i) {
            const size_t bytes = (i * 2654435761u >> 12) % 3000;
            char** const at = &blocks[i % 64];
            *at = realloc(*at, bytes + 1);
            memset(*at, (int)i, bytes + 1);
        }
    }
    getppid();
    return kNothing;
}

static int exit_status(const char* tunables, char* mistake) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        char variable[64];
        snprintf(variable, sizeof variable, "GLIBC_TUNABLES=%s", tunables);
        char* const argv[] = {"heap_tags", mistake, NULL};
        char* const env[] = {variable, NULL};
        execve("/proc/self/exe", argv, env);
        _exit(101);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_mistakes(void) {
    static char* const kMistakes[] = {"overflow", "underflow", "after free", "copy"};
    for (unsigned i = 0; i < 4; ++i) {
        CHECK(exit_status("glibc.mem.tagging=0", kMistakes[i]) == kNothing);
        CHECK(exit_status("glibc.mem.tagging=3", kMistakes[i]) == SEGV_MTESERR);
        CHECK(exit_status("glibc.mem.tagging=1", kMistakes[i]) == SEGV_MTEAERR);
    }
    CHECK(exit_status("glibc.mem.tagging=3", "system call") == 20);
    CHECK(exit_status("glibc.mem.tagging=1", "system call") == kNothing);
}

static void test_no_mistake(void) {
    CHECK(exit_status("glibc.mem.tagging=3", "none") == kNothing);
    CHECK(exit_status("glibc.mem.tagging=1", "none") == kNothing);
}

int main(int argc, char** argv) {
    if (argc > 1) {
        return make_mistake(argv[1]);
    }
    RUN(test_mistakes);
    RUN(test_no_mistake);
    return 0;
}
