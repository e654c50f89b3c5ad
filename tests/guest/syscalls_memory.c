// Mappings, the heap, shared memory, code that changes, the stack's guard.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { kPage = 4096 };
static sigjmp_buf landing;
static volatile int fault_code;

static void on_fault(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    fault_code = info->si_code;
    siglongjmp(landing, 1);
}

// si_code of the fault that a read, write or call of the address raises; 0: none.
static int probe(char* address, char how) {
    fault_code = 0;
    if (sigsetjmp(landing, 1) == 0) {
        switch (how) {
        case 'r': (void)*(volatile char*)address; break;
        case 'w': *(volatile char*)address = 1; break;
        default: ((void (*)(void))address)(); break;
        }
    }
    return fault_code;
}

static void* map(size_t bytes, int protection, int flags) {
    return mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void permissions(void) {
    char* pages = map(8 * kPage, PROT_READ | PROT_WRITE, 0);
    CHECK(munmap(pages + 4 * kPage, 4 * kPage) == 0);
    CHECK(probe(pages, 'w') == 0);
    CHECK(probe(pages, 'x') == SEGV_ACCERR);
    CHECK(mprotect(pages, kPage, PROT_READ) == 0);
    CHECK(probe(pages, 'w') == SEGV_ACCERR && probe(pages, 'r') == 0 && probe(pages + kPage, 'w') == 0);
    CHECK(mprotect(pages + 3 * kPage, 2 * kPage, PROT_NONE) == -1 && errno == ENOMEM); // up to the hole
    CHECK(probe(pages + 3 * kPage, 'r') == SEGV_ACCERR);
    CHECK(munmap(pages + kPage, kPage) == 0);
    CHECK(probe(pages + kPage, 'r') == SEGV_MAPERR && probe(pages + kPage, 'x') == SEGV_MAPERR);
    CHECK(mmap(pages + kPage, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
          pages + kPage);
    CHECK(mmap(pages, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
              MAP_FAILED && errno == EEXIST);
    CHECK(munmap(pages, 4 * kPage) == 0);
}

static void moving(void) {
    char* pages = map(2 * kPage, PROT_READ | PROT_WRITE, 0);
    strcpy(pages, "moved");
    char* grown = mremap(pages, 2 * kPage, 256 * kPage, MREMAP_MAYMOVE);
    CHECK(grown != MAP_FAILED && strcmp(grown, "moved") == 0);
    grown[255 * kPage] = 1;
    char* place = map(kPage, PROT_NONE, 0);
    // A hole of one page: below it may be nothing, where an emulator's next mapping of its own would reach into it.
    char* guard = mmap(grown - kPage, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    char* fixed = mremap(grown, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    CHECK(fixed == place && strcmp(fixed, "moved") == 0 && probe(grown, 'r') == SEGV_MAPERR);
    CHECK(madvise(fixed, kPage, MADV_DONTNEED) == 0 && fixed[0] == 0);
    CHECK(munmap(fixed, kPage) == 0 && munmap(grown + kPage, 255 * kPage) == 0);
    CHECK(guard == MAP_FAILED || munmap(guard, kPage) == 0);
}

static void heap(void) {
    char* start = sbrk(0);
    CHECK(sbrk(1 << 20) == start);
    memset(start, 1, 1 << 20);
    CHECK(brk(start) == 0 && sbrk(0) == start);
    CHECK(sbrk(kPage) == start && start[kPage - 1] == 0);
    CHECK(brk(start) == 0);
}

static void shared(void) {
    int id = shmget(IPC_PRIVATE, 3 * kPage, IPC_CREAT | 0600);
    CHECK(id >= 0);
    char* one = shmat(id, NULL, 0);
    char* two = shmat(id, NULL, SHM_RDONLY);
    CHECK(one != (void*)-1 && two != (void*)-1);
    strcpy(one, "both");
    CHECK(strcmp(two, "both") == 0 && probe(two, 'w') == SEGV_ACCERR);
    CHECK(shmdt(one) == 0 && shmdt(two) == 0 && shmdt(two) == -1 && errno == EINVAL);
    CHECK(probe(one, 'r') == SEGV_MAPERR);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

// mov w0, #value; ret
static void put_code(uint32_t* code, unsigned value) {
    code[0] = 0x52800000 | value << 5;
    code[1] = 0xd65f03c0;
    __builtin___clear_cache((char*)code, (char*)(code + 2));
}

static void changing_code(void) {
    uint32_t* code = map(kPage, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
    int (*function)(void) = (int (*)(void))code;
    for (unsigned i = 0; i < 100; ++i) {
        put_code(code, i);
        CHECK(function() == (int)i);
    }
    for (unsigned i = 0; i < 20; ++i) { // write xor execute
        CHECK(mprotect(code, kPage, PROT_READ | PROT_WRITE) == 0);
        CHECK(probe((char*)code, 'x') == SEGV_ACCERR);
        put_code(code, 1000 + i);
        CHECK(mprotect(code, kPage, PROT_READ | PROT_EXEC) == 0);
        CHECK(function() == (int)(1000 + i));
    }
    // Another mapping in the same place.
    CHECK(mmap(code, kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          code);
    put_code(code, 7);
    CHECK(function() == 7);
    CHECK(munmap(code, kPage) == 0 && probe((char*)code, 'x') == SEGV_MAPERR);
}

static void file_mapping(void) {
    char name[] = "/tmp/ulna-map-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, 2 * kPage) == 0);
    char* pages = mmap(NULL, 3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(pages, "mapped");
    char text[8] = "";
    CHECK(pread(fd, text, 7, 0) == 7 && strcmp(text, "mapped") == 0);
    CHECK(mmap(NULL, kPage, PROT_READ, MAP_SHARED, fd, 123) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, kPage, PROT_READ, MAP_SHARED, 9999, 0) == MAP_FAILED && errno == EBADF);
    CHECK(munmap(pages, 3 * kPage) == 0 && close(fd) == 0);
}

// RLIMIT_AS and RLIMIT_DATA: what would be too much is refused, also in a child.
static void memory_limits(void) {
    enum { kMebi = 1 << 20, kLimit = 1 << 30 };
    struct rlimit before, set = {kLimit, kLimit}, now;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0 && setrlimit(RLIMIT_AS, &set) == 0);
    CHECK(getrlimit(RLIMIT_AS, &now) == 0 && now.rlim_cur == kLimit && now.rlim_max == kLimit);
    char* const block = map(900 * kMebi, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    CHECK(block != MAP_FAILED);
    CHECK(map(200 * kMebi, PROT_READ, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mremap(block, 900 * kMebi, 1100ul * kMebi, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(block, 900 * kMebi, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
          block); // no more than before
    const pid_t child = fork();
    if (child == 0) {
        _exit(map(200 * kMebi, PROT_READ, 0) == MAP_FAILED ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(munmap(block, 900 * kMebi) == 0);
    set.rlim_cur = 2ul * kLimit;
    CHECK(setrlimit(RLIMIT_AS, &set) == -1 && errno == EINVAL);

    set = (struct rlimit){kMebi, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_DATA, &set) == 0);
    CHECK(sbrk(2 * kMebi) == (void*)-1 && errno == ENOMEM);
    char* const page = map(kPage, PROT_READ | PROT_WRITE, 0);
    *page = 1;
    CHECK(munmap(page, kPage) == 0);
    set.rlim_cur = 1; // and Ulna goes on
    CHECK(setrlimit(RLIMIT_DATA, &set) == 0);
    uint32_t* const code = map(kPage, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
    put_code(code, 5);
    CHECK(((int (*)(void))code)() == 5 && munmap(code, kPage) == 0);
    unsigned char resident[2];
    CHECK(mincore(code, kPage, resident) == -1 && errno == ENOMEM);
    CHECK(mincore((char*)code + 1, kPage, resident) == -1 && errno == EINVAL);
    CHECK(mincore(&set, 0, resident) == -1 && errno == EINVAL); // of this page, but not aligned
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    permissions();
    moving();
    heap();
    shared();
    changing_code();
    file_mapping();
    memory_limits();
    return 0;
}
