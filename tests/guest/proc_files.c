// Files of /proc that are read again, a /proc that lacks some, and what it says of a process with one thread.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

enum { kPage = 4096 };

static char g_text[1 << 18];

// From the file's start, however it gets there.
static const char* read_again(int fd, int by_pread) {
    size_t length = 0;
    CHECK(by_pread || lseek(fd, 0, SEEK_SET) == 0);
    for (ssize_t got = 1; got > 0; length += got) {
        const size_t room = sizeof g_text - 1 - length;
        got = by_pread ? pread(fd, g_text + length, room, length) : read(fd, g_text + length, room);
        CHECK(got >= 0);
    }
    g_text[length] = '\0';
    return g_text;
}

static int open_file(const char* path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

// "START-", as a line of maps begins; of a mapping that stays one of its own.
static char* new_mapping(char* name, size_t room) {
    char* const at = mmap(NULL, 3 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED && mprotect(at + kPage, kPage, PROT_READ) == 0);
    snprintf(name, room, "%08lx-", (unsigned long)(uintptr_t)(at + kPage));
    return at;
}

static void rewound(void) {
    char tasks[64], name[32];
    snprintf(tasks, sizeof tasks, "/proc/%d/task/%d/maps", (int)getpid(), (int)getpid());
    const char* const files[] = {"/proc/self/maps", "/proc/self/smaps", tasks};
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        for (int by_pread = 0; by_pread < 2; ++by_pread) {
            const int fd = open_file(files[i]), copy = dup(fd);
            CHECK(copy >= 0 && strstr(read_again(fd, by_pread), "[stack]") != NULL);
            char* const at = new_mapping(name, sizeof name);
            CHECK(strstr(read_again(fd, by_pread), name) != NULL && close(fd) == 0);
            CHECK(munmap(at, 3 * kPage) == 0);
            CHECK(strstr(read_again(copy, by_pread), name) == NULL && strstr(g_text, "[stack]") != NULL);
            CHECK(close(copy) == 0);
        }
    }
}

static void status_again(void) {
    const int fd = open_file("/proc/self/status");
    CHECK(prctl(PR_SET_NAME, "first") == 0 && strstr(read_again(fd, 0), "Name:\tfirst\n") != NULL);
    CHECK(prctl(PR_SET_NAME, "second one") == 0 && strstr(read_again(fd, 1), "Name:\tsecond one\n") != NULL);
    CHECK(prctl(PR_SET_NAME, "third") == 0 && strstr(read_again(fd, 0), "Name:\tthird\n") != NULL);
    CHECK(strstr(g_text, "Name:\tthird\n") == g_text && strstr(strchr(g_text, '\n'), "Name:") == NULL);
    close(fd);
}

static void expect_success(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

// A descriptor goes on to show the process that opened it.
static void inherited(void) {
    char name[32];
    const int fd = open_file("/proc/self/maps");
    read_again(fd, 0);
    const pid_t child = fork();
    if (child == 0) {
        new_mapping(name, sizeof name);
        CHECK(strstr(read_again(fd, 0), name) == NULL && strstr(g_text, "[stack]") != NULL);
        const int own = open_file("/proc/self/maps");
        CHECK(strstr(read_again(own, 0), name) != NULL);
        char* const at = new_mapping(name, sizeof name);
        CHECK(at != NULL && strstr(read_again(own, 1), name) != NULL);
        _exit(0);
    }
    expect_success(child);
    close(fd);
}

// Enough code, often enough, that a translator would look where the time goes.
#define FUNCTION(n) static __attribute__((noinline)) unsigned f##n(unsigned x) { return x * (2 * n + 1) + (x >> 3); }
#define TEN(each, n) each(n##0) each(n##1) each(n##2) each(n##3) each(n##4) each(n##5) each(n##6) each(n##7) each(n##8) each(n##9)
#define HUNDRED(each, n) TEN(each, n##0) TEN(each, n##1) TEN(each, n##2) TEN(each, n##3) TEN(each, n##4) TEN(each, n##5) TEN(each, n##6) TEN(each, n##7) TEN(each, n##8) TEN(each, n##9)
#define ALL(each) HUNDRED(each, 1) HUNDRED(each, 2) HUNDRED(each, 3) HUNDRED(each, 4) HUNDRED(each, 5)
#define NAME(n) f##n,
ALL(FUNCTION)

static void work(void) {
    static unsigned (*volatile const functions[])(unsigned) = {ALL(NAME)};
    volatile unsigned x = 1;
    for (int round = 0; round < 50; ++round) {
        for (size_t i = 0; i < sizeof functions / sizeof *functions; ++i) {
            x = functions[i](x);
        }
    }
}

static unsigned number_after(const char* path, const char* name) {
    const int fd = open_file(path);
    const char* const line = strstr(read_again(fd, 0), name);
    CHECK(line != NULL && close(fd) == 0);
    return atoi(line + strlen(name));
}

static unsigned threads_in_stat(void) {
    const int fd = open_file("/proc/self/stat");
    const char* at = strrchr(read_again(fd, 0), ')') + 1;
    for (int field = 2; field < 20; ++field) {
        at = strchr(at, ' ') + 1;
    }
    close(fd);
    return atoi(at);
}

static unsigned listed_tasks(void) {
    DIR* const tasks = opendir("/proc/self/task");
    unsigned count = 0;
    CHECK(tasks != NULL);
    for (struct dirent* entry; (entry = readdir(tasks)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

static void expect_threads(unsigned count) {
    struct stat tasks, open_tasks;
    struct statx extended;
    CHECK(stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == 2 + count);
    CHECK(statx(AT_FDCWD, "/proc/self/task", 0, STATX_BASIC_STATS, &extended) == 0 && extended.stx_nlink == 2 + count);
    const int fd = open_file("/proc/self/task/");
    CHECK(fstat(fd, &open_tasks) == 0 && open_tasks.st_nlink == 2 + count && open_tasks.st_ino == tasks.st_ino);
    close(fd);
    CHECK(number_after("/proc/self/status", "Threads:") == count && threads_in_stat() == count);
    CHECK(listed_tasks() == count);
}

// A process of its own, with the memory of another.
static void borrowing_child(void) {
    const pid_t child = vfork();
    if (child == 0) {
        expect_threads(1);
        _exit(0);
    }
    expect_success(child);
}

// A sandbox, in which only a descriptor leads to /proc. Not where new name spaces are forbidden.
static void sandboxed_child(void) {
    const int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    CHECK(proc >= 0);
    const pid_t child = fork();
    if (child == 0) {
        struct stat tasks;
        struct statx extended;
        if (unshare(CLONE_NEWUSER) == 0 && chroot("/proc/self/fdinfo") == 0 && fork() == 0) {
            work();
            CHECK(fstatat(proc, "self/task/", &tasks, 0) == 0 && tasks.st_nlink == 3);
            CHECK(statx(proc, "self/task", 0, STATX_BASIC_STATS, &extended) == 0 && extended.stx_nlink == 3);
            _exit(0);
        }
        int status = 0;
        _exit(wait(&status) > 0 && status != 0);
    }
    expect_success(child);
    close(proc);
}

static pthread_barrier_t g_barrier;

static void* second_thread(void* unused) {
    pthread_barrier_wait(&g_barrier);
    pthread_barrier_wait(&g_barrier);
    return unused;
}

static void threads(void) {
    sandboxed_child(); // first, as only new code makes threads of ours
    work();
    expect_threads(1);
    borrowing_child();
    pthread_t thread;
    CHECK(pthread_barrier_init(&g_barrier, NULL, 2) == 0 && pthread_create(&thread, NULL, second_thread, NULL) == 0);
    pthread_barrier_wait(&g_barrier);
    expect_threads(2);
    pthread_barrier_wait(&g_barrier);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void be_first_of_pid_namespace(void) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) != 0) {
        printf("no namespaces to be had\n");
        _exit(0);
    }
    const pid_t child = fork();
    if (child > 0) {
        expect_success(child);
        _exit(0);
    }
    CHECK(child == 0 && getpid() == 1);
}

static void children_in_order(void) {
    work();
    for (pid_t number = 2; number < 4; ++number) {
        const pid_t child = fork();
        if (child == 0) {
            CHECK(getpid() == number);
            _exit(0);
        }
        CHECK(child == number);
        expect_success(child);
    }
}

// The /proc of outside numbers this process otherwise.
static void other_numbers(void) {
    char path[64], name[32], number[16] = "";
    CHECK(readlink("/proc/self", number, sizeof number - 1) > 0 && strcmp(number, "1") != 0);
    snprintf(path, sizeof path, "/proc/%s/maps", number);
    const int fd = open_file(path);
    new_mapping(name, sizeof name);
    CHECK(strstr(read_again(fd, 0), name) != NULL && strstr(g_text, "[stack]") != NULL);
    close(fd);
}

static unsigned machine_of(const char* path) {
    unsigned char header[20];
    const int fd = open_file(path);
    CHECK(read(fd, header, sizeof header) == sizeof header && close(fd) == 0);
    return header[18] | header[19] << 8;
}

// Container runtimes execute a copy of themselves that nobody can write to: another mount of their file.
static void mounted_again(void) {
    enum { kAarch64 = 183, kOpenTree = 428, kMoveMount = 429, kClone = 1, kEmptyPath = 4 };
    char file[] = "/tmp/ulna-mount-XXXXXX";
    const int fd = mkstemp(file);
    CHECK(fd >= 0 && close(fd) == 0);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
        CHECK(mount("/proc/self/exe", file, "", MS_BIND, NULL) == 0);
        CHECK(machine_of(file) == kAarch64 && umount2(file, MNT_DETACH) == 0);
        const int tree = syscall(kOpenTree, AT_FDCWD, "/proc/self/exe", kClone | O_CLOEXEC);
        if (tree >= 0) {
            CHECK(syscall(kMoveMount, tree, "", AT_FDCWD, file, kEmptyPath) == 0);
            CHECK(machine_of(file) == kAarch64 && umount2(file, MNT_DETACH) == 0 && close(tree) == 0);
        }
    }
    CHECK(unlink(file) == 0);
}

static void processes_only(void) {
    const char* const absent[] = {"/proc/cpuinfo", "/proc/version", "/proc/sys/kernel/osrelease"};
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, "subset=pid") != 0) {
        return; // a sandbox may forbid it
    }
    for (size_t i = 0; i < sizeof absent / sizeof *absent; ++i) {
        CHECK(open(absent[i], O_RDONLY) == -1 && errno == ENOENT);
    }
    CHECK(strstr(read_again(open_file("/proc/1/maps"), 0), "[stack]") != NULL);
    CHECK(strstr(read_again(open_file("/proc/self/maps"), 1), "[stack]") != NULL);
    CHECK(open("/proc/1/task/77/maps", O_RDONLY) == -1 && errno == ENOENT);
}

static void namespaces(void) {
    const pid_t child = fork();
    if (child == 0) {
        be_first_of_pid_namespace();
        children_in_order();
        other_numbers();
        const pid_t executed = fork();
        if (executed == 0) { // its file is then one of this mount namespace
            execl("/proc/self/exe", "name", "mounted", NULL);
            _exit(98);
        }
        expect_success(executed);
        processes_only();
        _exit(0);
    }
    expect_success(child);
}

int main(int argc, char** argv) {
    if (argc > 1 && strcmp(argv[1], "mounted") == 0) {
        mounted_again();
        return 0;
    }
    RUN(rewound);
    RUN(status_again);
    RUN(inherited);
    RUN(namespaces);
    RUN(threads);
    return 0;
}
