// What this program can learn of itself and its machine: an Arm one. Linked as a static PIE, whose heap must grow, too.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char g_text[65536];

static const char* text_of(const char* path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    size_t length = 0;
    for (ssize_t got; (got = read(fd, g_text + length, sizeof g_text - 1 - length)) > 0;) {
        length += got;
    }
    close(fd);
    g_text[length] = '\0';
    return g_text;
}

static uint64_t status_mask(const char* name) {
    const char* const line = strstr(text_of("/proc/self/status"), name);
    CHECK(line != NULL);
    return strtoull(line + strlen(name), NULL, 16);
}

static char* g_argv0;

static void heap(void) {
    char* const start = sbrk(0);
    for (int i = 0; i < 200; ++i) {
        char* const part = sbrk(65536);
        CHECK(part == start + i * 65536);
        memset(part, i, 65536);
    }
    CHECK(strstr(text_of("/proc/self/maps"), "[heap]") != NULL);
    CHECK(sbrk(-200 * 65536) == start + 200 * 65536 && sbrk(0) == start);
}

static void machine(void) {
    struct utsname names;
    CHECK(uname(&names) == 0 && strcmp(names.sysname, "Linux") == 0 && strcmp(names.machine, "aarch64") == 0);
    CHECK(strcmp(text_of("/proc/sys/kernel/arch"), "aarch64\n") == 0);
    CHECK(strncmp(text_of("/proc/sys/kernel/osrelease"), names.release, strlen(names.release)) == 0);
    char start[200];
    snprintf(start, sizeof start, "Linux version %s ", names.release);
    CHECK(strncmp(text_of("/proc/version"), start, strlen(start)) == 0);
    CHECK(strcmp((const char*)getauxval(AT_PLATFORM), "aarch64") == 0);

    uint64_t midr;
    CHECK(getauxval(AT_HWCAP) & HWCAP_CPUID);
    __asm__("mrs %0, midr_el1" : "=r"(midr));
    CHECK(strtoull(text_of("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"), NULL, 16) == midr);
    CHECK(strcmp(text_of("/sys/devices/system/cpu/cpu0/regs/identification/revidr_el1"), "0x0000000000000000\n") == 0);
    CHECK(open("/sys/devices/system/cpu/cpu4000/regs/identification/midr_el1", O_RDONLY) == -1 && errno == ENOENT);
    char part[64];
    snprintf(part, sizeof part, "CPU part\t: 0x%03x\n", (unsigned)(midr >> 4 & 0xfff));
    const char* const cpus = text_of("/proc/cpuinfo");
    CHECK(strstr(cpus, part) != NULL && strstr(cpus, "vendor_id") == NULL && strstr(cpus, "flags") == NULL);
}

static void names(void) {
    char name[32];
    snprintf(name, sizeof name, "%.15s\n", strrchr(g_argv0, '/') + 1);
    CHECK(strcmp(text_of("/proc/self/comm"), name) == 0);
    const int comm = open("/proc/self/comm", O_WRONLY);
    CHECK(comm >= 0 && write(comm, "written", 7) == 7 && close(comm) == 0);
    CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "written") == 0);
    CHECK(strstr(text_of("/proc/self/status"), "Name:\twritten\n") != NULL);
}

static void handler(int signal) { (void)signal; }

static void dispositions(void) {
    CHECK(status_mask("SigCgt:") == UINT64_C(1) << (SIGALRM - 1)); // of RUN: see main
    CHECK(status_mask("SigIgn:") == 0);
    CHECK(signal(SIGSEGV, handler) == SIG_DFL && signal(SIGFPE, SIG_IGN) == SIG_DFL && signal(SIGUSR1, handler) == SIG_DFL);
    CHECK(status_mask("SigCgt:") == (UINT64_C(1) << (SIGALRM - 1) | UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGUSR1 - 1)));
    CHECK(status_mask("SigIgn:") == UINT64_C(1) << (SIGFPE - 1));
    CHECK(signal(SIGSEGV, SIG_DFL) == handler && signal(SIGFPE, SIG_DFL) == SIG_IGN && signal(SIGUSR1, SIG_DFL) == handler);
    CHECK(strstr(text_of("/proc/self/status"), "x86") == NULL);
}

// What another process sees; it needs a kernel that was built with CONFIG_CHECKPOINT_RESTORE, as all of distributions are.
static void seen_by_others(void) {
    char own_exe[4096] = "", parents[4096] = "";
    struct stat own, by_parent;
    CHECK(readlink("/proc/self/exe", own_exe, sizeof own_exe - 1) > 0 && stat(own_exe, &own) == 0);
    const size_t length = strlen(g_argv0);
    char path[64], original[4096];
    strcpy(original, g_argv0);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)getpid());
    for (int renamed = 0; renamed < 2; ++renamed) {
        if (renamed) { // as setproctitle does
            memset(g_argv0, 't', length);
        }
        const pid_t child = fork();
        if (child == 0) {
            CHECK(memcmp(text_of(path), g_argv0, length + 1) == 0);
            CHECK(memcmp(text_of("/proc/self/cmdline"), g_argv0, length + 1) == 0);
            snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
            CHECK(strstr(text_of(path), "IDENTITY=yes") == g_text);
            snprintf(path, sizeof path, "/proc/%d/exe", (int)getppid());
            CHECK(readlink(path, parents, sizeof parents - 1) > 0 && strcmp(parents, own_exe) == 0);
            CHECK(stat(path, &by_parent) == 0 && by_parent.st_ino == own.st_ino && by_parent.st_dev == own.st_dev);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    memcpy(g_argv0, original, length);
}

int main(int argc, char** argv) {
    if (getenv("IDENTITY") == NULL) { // once more, with an environment of one
        CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR && argc == 1);
        char* const environment[] = {"IDENTITY=yes", NULL};
        execve(argv[0], argv, environment);
        CHECK(!"execve");
    }
    g_argv0 = argv[0];
    RUN(heap);
    RUN(machine);
    CHECK(signal(SIGALRM, handler) == SIG_DFL);
    RUN(dispositions);
    CHECK(signal(SIGALRM, SIG_DFL) == handler);
    RUN(seen_by_others);
    RUN(names);
    return 0;
}
