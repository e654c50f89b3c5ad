// What the debugger looks at: guest MODE.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile int value = 5, handled, go_on, counters[4];
const volatile int constant = 7;

NOINLINE int leaf(int n) {
    value += n;
    return value * 2;
}

NOINLINE int middle(int n) {
    int result = leaf(n + 1);
    value += 1;
    return result + constant;
}

static void on_signal(int signal) { handled = signal; }

// Calls, as a program that ends with a status.
static int calls(void) {
    int sum = 0;
    for (int i = 0; i < 3; ++i) {
        sum += middle(i);
    }
    return sum & 0x7f;
}

static int signals(void) {
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    return handled == SIGUSR1 ? 3 : 4;
}

NOINLINE static int fault(void) {
    return *(volatile int *)8;
}

NOINLINE static int trap(void) {
    __asm__ volatile("brk #1");
    return 0;
}

// --- threads

static pthread_barrier_t barrier;

NOINLINE void meet(int n) { counters[n] += 1; }

static void *thread(void *argument) {
    const int n = (int)(long)argument;
    pthread_barrier_wait(&barrier);
    while (!go_on) {
        meet(n);
    }
    return NULL;
}

static void *sleeper(void *argument) {
    char byte;
    pthread_barrier_wait(&barrier);
    return read(*(int *)argument, &byte, 1) == 1 ? argument : NULL;
}

static int threads(void) {
    pthread_t all[4];
    int pipe_ends[2];
    void *result;
    pthread_barrier_init(&barrier, NULL, 5);
    if (pipe(pipe_ends) != 0) {
        return 99;
    }
    for (long n = 0; n < 3; ++n) {
        pthread_create(&all[n], NULL, thread, (void *)n);
    }
    pthread_create(&all[3], NULL, sleeper, pipe_ends);
    pthread_barrier_wait(&barrier);
    for (int n = 0; n < 3; ++n) {
        pthread_join(all[n], NULL);
    }
    if (write(pipe_ends[1], "x", 1) != 1) {
        return 99;
    }
    pthread_join(all[3], &result);
    return result == pipe_ends ? 6 : 7;
}

// --- processes

NOINLINE int in_child(int n) {
    value += n;
    return n + 1;
}

// Breakpoints and watchpoints are the parent's only.
static int forks(void) {
    int status = 0, spawned = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit(in_child(10));
    }
    waitpid(child, &status, 0);
    child = vfork();
    if (child == 0) {
        _exit(in_child(20));
    }
    waitpid(child, &spawned, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 11 && WIFEXITED(spawned) && WEXITSTATUS(spawned) == 21
               ? in_child(7)
               : 9;
}

// Code that moves, and goes away.
static int writes_code(void) {
    static const unsigned code[] = {0x11000400, 0xd65f03c0}; // add w0, w0, #1; ret
    int sum = 0;
    for (int i = 0; i < 3; ++i) {
        void *const page = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        memcpy(page, code, sizeof code);
        __builtin___clear_cache(page, (char *)page + sizeof code);
        meet(3);
        sum = ((int (*)(int))page)(sum);
        munmap(page, 4096);
    }
    return sum;
}

// --- watchpoints: bytes 8 to 11 are watched

_Alignas(2048) unsigned char watched[2048]; // a block of DC ZVA, on any CPU

#define ACCESS(name, instruction) ".global " #name "\n" #name ": " instruction "\n"

NOINLINE static int accesses(void) {
    register unsigned char *at __asm__("x0") = watched;
    __asm__ volatile(
        ".arch armv8.2-a\n.arch_extension mops\n"
        "mov x9, sp\nadd x5, x0, #8\nmov x4, #2\nmov w1, #3\nmovi v0.16b, #1\nmovi v1.16b, #1\n"
        "mov x11, x0\nmovk x11, #0x5500, lsl #48\nmov x6, x0\nmov x7, #16\n"
        "mov x13, x0\nadd x14, x0, #32\nmov x15, #16\n"
        ACCESS(a_store, "str w1, [x0, #8]")
        ACCESS(a_byte, "ldrb w2, [x0, #11]")
        ACCESS(a_behind, "ldr w2, [x0, #12]")
        ACCESS(a_before, "str x1, [x0]")
        ACCESS(a_wide, "stur x1, [x0, #4]")
        ACCESS(a_pair, "stp x1, x1, [x0]")
        ACCESS(a_words, "ldp w2, w3, [x0, #4]")
        ACCESS(a_vector, "st1 {v0.16b}, [x0]")
        ACCESS(a_vectors, "ldp q0, q1, [x0]")
        ACCESS(a_index, "ldr w2, [x0, x4, lsl #2]")
        ACCESS(a_exclusive, "ldaxr w2, [x5]")
        ACCESS(a_conditional, "stlxr w3, w2, [x5]")
        ACCESS(a_atomic, "ldadd w1, w2, [x5]")
        ACCESS(a_compare, "cas w1, w2, [x5]")
        ACCESS(a_tagged, "str w1, [x11, #8]")
        "mov sp, x0\n"
        ACCESS(a_stack, "str w1, [sp, #8]")
        "mov sp, x9\n"
        ACCESS(a_writeback, "ldr w2, [x5], #4")
        ACCESS(a_zero, "dc zva, x0")
        "mov w1, #3\nsetp [x6]!, x7!, x1\n"
        ACCESS(a_set, "setm [x6]!, x7!, x1")
        "sete [x6]!, x7!, x1\n"
        "cpyfp [x14]!, [x13]!, x15!\n"
        ACCESS(a_copy, "cpyfm [x14]!, [x13]!, x15!")
        "cpyfe [x14]!, [x13]!, x15!\n"
        :
        : "r"(at)
        : "memory", "cc", "v0", "v1", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x11", "x13", "x14", "x15");
    return watched[40];
}

static int waits(void) {
    signal(SIGUSR1, on_signal);
    puts("waiting");
    fflush(stdout);
    while (!go_on) {
        pause();
    }
    return 12;
}

static int spins(void) {
    puts("waiting");
    fflush(stdout);
    while (!go_on) {
        value += 1;
    }
    return 13;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(void);
    } modes[] = {{"calls", calls}, {"signals", signals}, {"fault", fault}, {"trap", trap},
                 {"threads", threads}, {"forks", forks}, {"code", writes_code}, {"waits", waits}, {"spins", spins},
                 {"accesses", accesses}};
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; ++i) {
        if (argc > 1 && strcmp(argv[1], modes[i].name) == 0) {
            return modes[i].run();
        }
    }
    return 100;
}
