// execve, vfork and posix_spawn: programs, scripts, errors, and what is inherited.
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char** environ;
static char self[4096];
static char directory[] = "/tmp/ulna-exec-XXXXXX";

static int finish(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0) {
        CHECK(errno == EINTR);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static char* in_directory(const char* name) {
    static char path[8][4200];
    static int next;
    char* p = path[next++ % 8];
    snprintf(p, 4200, "%s/%s", directory, name);
    return p;
}

static void write_file(const char* path, const char* text, int mode) {
    const int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(fchmod(fd, mode) == 0 && close(fd) == 0);
}

// --- this program as the child: each mode checks something and exits with 40 plus its number

// What a program without a name finds of itself. It executes itself twice more.
static int unnamed(int round) {
    char link[4096] = "", path[64];
    CHECK(readlink("/proc/self/exe", link, sizeof link - 1) > 0 && strcmp(link, "/memfd:program (deleted)") == 0);
    struct stat named, opened;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &opened) == 0 && stat("/proc/self/exe", &named) == 0 && opened.st_ino == named.st_ino);
    unsigned char header[20];
    CHECK(read(fd, header, sizeof header) == sizeof header && header[18] == 183);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (round == 2) {
        return 45;
    }
    execl(round == 0 ? "/proc/self/exe" : path, "name", "unnamed", round == 0 ? "1" : "2", NULL);
    return 97;
}

static int child_main(int argc, char** argv) {
    const char* mode = argv[1];
    if (!strcmp(mode, "args")) {
        CHECK(argc == 5 && !strcmp(argv[0], "own name") && !strcmp(argv[2], "two words"));
        CHECK(!strcmp(argv[3], "") && !strcmp(argv[4], "--help"));
        CHECK(environ[0] && !strcmp(environ[0], "ONE=1") && !strcmp(environ[1], "TWO") && !environ[2]);
        return 41;
    }
    if (!strcmp(mode, "signals")) {
        sigset_t mask;
        struct sigaction action;
        sigprocmask(SIG_SETMASK, NULL, &mask);
        CHECK(sigismember(&mask, SIGUSR2) && sigismember(&mask, SIGSEGV) && !sigismember(&mask, SIGUSR1));
        CHECK(sigismember(&mask, SIGTRAP) == (argc > 2));
        sigaction(SIGUSR1, NULL, &action);
        CHECK(action.sa_handler == SIG_DFL);
        sigaction(SIGHUP, NULL, &action);
        CHECK(action.sa_handler == SIG_IGN);
        sigaction(SIGFPE, NULL, &action);
        CHECK(action.sa_handler == SIG_IGN);
        sigset_t pending;
        CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2));
        return 42;
    }
    if (!strcmp(mode, "descriptors")) {
        const int kept = atoi(argv[2]), closed = atoi(argv[3]);
        CHECK(fcntl(kept, F_GETFD) == 0);
        CHECK(fcntl(closed, F_GETFD) < 0 && errno == EBADF);
        for (int fd = 3; fd < 64; ++fd) { // nothing of the emulator's
            CHECK(fd == kept || fcntl(fd, F_GETFD) < 0);
        }
        return 43;
    }
    if (!strcmp(mode, "unnamed")) {
        return unnamed(atoi(argv[2]));
    }
    if (!strcmp(mode, "exe")) {
        char link[4096] = {0};
        CHECK(readlink("/proc/self/exe", link, sizeof link - 1) > 0);
        CHECK(!strcmp(link, argv[2]));
        return 44;
    }
    if (!strcmp(mode, "script")) { // self script <file> a b
        CHECK(argc == 5 && strstr(argv[2], "/script") && !strcmp(argv[4], "b"));
        return strstr(argv[3], "/script-two") ? 47 : !strcmp(argv[3], "a") ? 45 : 1;
    }
    if (!strcmp(mode, "one long argument")) { // an interpreter's argument is not split
        CHECK(argc == 3);
        return 46;
    }
    return 99;
}

static int run(char* const argv[], char* const env[]) {
    const pid_t child = fork();
    if (child == 0) {
        execve(self, argv, env);
        _exit(98);
    }
    return finish(child);
}

static void arguments_and_environment(void) {
    CHECK(run((char*[]){"own name", "args", "two words", "", "--help", NULL},
              (char*[]){"ONE=1", "TWO", NULL}) == 41);
    CHECK(run((char*[]){"-x", "exe", self, NULL}, environ) == 44);
    CHECK(run((char*[]){"", "exe", self, NULL}, (char*[]){NULL}) == 44);
}

static void handler(int signal) { (void)signal; }
static void expect_inherited_signals(int blocks_trap) {
    const pid_t child = fork();
    if (child == 0) {
        sigset_t mask;
        signal(SIGUSR1, handler);
        signal(SIGHUP, SIG_IGN);
        signal(SIGFPE, SIG_IGN);
        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR2);
        sigaddset(&mask, SIGSEGV);
        if (blocks_trap) {
            sigaddset(&mask, SIGTRAP);
        }
        sigprocmask(SIG_SETMASK, &mask, NULL);
        raise(SIGUSR2);
        execl(self, self, "signals", blocks_trap ? "SIGTRAP" : NULL, NULL);
        _exit(98);
    }
    CHECK(finish(child) == 42);
}

static void signals_are_inherited(void) {
    expect_inherited_signals(0);
    expect_inherited_signals(1);
}

static void descriptors_are_inherited(void) {
    char kept_text[16], closed_text[16];
    const int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    snprintf(kept_text, sizeof kept_text, "%d", kept);
    snprintf(closed_text, sizeof closed_text, "%d", closed);
    CHECK(run((char*[]){self, "descriptors", kept_text, closed_text, NULL}, environ) == 43);
    close(kept);
    close(closed);
}

static void scripts(void) {
    char line[5000];
    char* script = in_directory("script");
    snprintf(line, sizeof line, "#! %s script\nnothing here runs\n", self);
    write_file(script, line, 0755);
    pid_t child = fork();
    if (child == 0) {
        execl(script, "zero", "a", "b", NULL);
        _exit(98);
    }
    CHECK(finish(child) == 45);
    char* nested = in_directory("script-two");
    snprintf(line, sizeof line, "#!%s", script);
    write_file(nested, line, 0755);
    snprintf(line, sizeof line, "#!%s \t one long argument \n", self);
    char* spaces = in_directory("spaces");
    write_file(spaces, line, 0755);
    child = fork();
    if (child == 0) {
        execl(spaces, "zero", NULL);
        _exit(98);
    }
    CHECK(finish(child) == 46);
    child = fork();
    if (child == 0) {
        execl(nested, "zero", "b", NULL); // becomes: self "script" script script-two b
        _exit(98);
    }
    CHECK(finish(child) == 47);
}

static int exec_error(const char* path) {
    errno = 0;
    execl(path, path, NULL);
    return errno;
}
static void errors(void) {
    CHECK(exec_error("/nonexistent/program") == ENOENT);
    CHECK(exec_error("") == ENOENT);
    CHECK(exec_error(directory) == EACCES);
    write_file(in_directory("plain"), "not a program", 0755);
    CHECK(exec_error(in_directory("plain")) == ENOEXEC);
    write_file(in_directory("empty"), "", 0755);
    CHECK(exec_error(in_directory("empty")) == ENOEXEC);
    write_file(in_directory("closed"), "#!/bin/true\n", 0644);
    CHECK(exec_error(in_directory("closed")) == EACCES);
    write_file(in_directory("lost"), "#!/nonexistent/interpreter\n", 0755);
    CHECK(exec_error(in_directory("lost")) == ENOENT);
    write_file(in_directory("bare"), "#!\n", 0755);
    CHECK(exec_error(in_directory("bare")) == ENOEXEC);
    char line[5000];
    snprintf(line, sizeof line, "#!%s\n", in_directory("loop"));
    write_file(in_directory("loop"), line, 0755);
    CHECK(exec_error(in_directory("loop")) == ELOOP);
    char* const bad = (char*)16;
    CHECK(syscall(SYS_execve, bad, NULL, NULL) < 0 && errno == EFAULT);
    CHECK(syscall(SYS_execve, self, bad, NULL) < 0 && errno == EFAULT);
    CHECK(syscall(SYS_execve, self, &bad, NULL) < 0 && errno == EFAULT);
    char* huge = malloc(200000);
    memset(huge, 'x', 199999);
    huge[199999] = 0;
    char* const args[] = {self, huge, NULL};
    CHECK(execve(self, args, environ) < 0 && errno == E2BIG);
    free(huge);
}

// A program that has no name.
static int copy_of_self(void) {
    const int from = open(self, O_RDONLY), to = memfd_create("program", MFD_CLOEXEC);
    char buffer[65536];
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) > 0) {
        CHECK(write(to, buffer, got) == got);
    }
    close(from);
    return to;
}

static void by_descriptor(void) {
    pid_t child = fork();
    if (child == 0) {
        const int fd = open(self, O_RDONLY | O_CLOEXEC);
        fexecve(fd, (char*[]){"name", "exe", self, NULL}, environ);
        _exit(98);
    }
    CHECK(finish(child) == 44);
    child = fork();
    if (child == 0) {
        char* slash = strrchr(self, '/');
        *slash = 0;
        const int fd = open(self, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char full[8192];
        snprintf(full, sizeof full, "%s/%s", self, slash + 1);
        syscall(SYS_execveat, fd, slash + 1, (char*[]){"name", "exe", full, NULL}, environ, 0);
        _exit(98);
    }
    CHECK(finish(child) == 44);
    child = fork();
    if (child == 0) {
        fexecve(copy_of_self(), (char*[]){"own name", "args", "two words", "", "--help", NULL},
                (char*[]){"ONE=1", "TWO", NULL});
        _exit(98);
    }
    CHECK(finish(child) == 41);
    child = fork();
    if (child == 0) {
        fexecve(copy_of_self(), (char*[]){"own name", "unnamed", "0", NULL}, environ);
        _exit(98);
    }
    CHECK(finish(child) == 45);
}

static void vforks(void) {
    static volatile int shared;
    for (int i = 0; i < 50; ++i) {
        const pid_t child = vfork();
        if (child == 0) {
            shared = i + 1; // seen by the parent
            _exit(i);
        }
        CHECK(shared == i + 1);
        CHECK(finish(child) == i);
    }
    const pid_t child = vfork();
    if (child == 0) {
        execl(self, "own", "exe", self, NULL);
        _exit(98);
    }
    CHECK(finish(child) == 44);
    struct sigaction action;
    signal(SIGUSR1, handler);
    const pid_t changer = vfork();
    if (changer == 0) {
        signal(SIGUSR1, SIG_IGN); // the child's own disposition
        _exit(0);
    }
    CHECK(finish(changer) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == handler);
    signal(SIGUSR1, SIG_DFL);
}

static void spawns(void) {
    pid_t child;
    char* const good[] = {"x", "exe", self, NULL};
    for (int i = 0; i < 50; ++i) {
        CHECK(posix_spawn(&child, self, NULL, NULL, good, environ) == 0);
        CHECK(finish(child) == 44);
    }
    // The error of the child's exec is the caller's.
    CHECK(posix_spawn(&child, "/nonexistent", NULL, NULL, good, environ) == ENOENT);
    CHECK(posix_spawn(&child, in_directory("closed"), NULL, NULL, good, environ) == EACCES);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 5, "/nonexistent", O_RDONLY, 0);
    CHECK(posix_spawn(&child, self, &actions, NULL, good, environ) == ENOENT);
    const int status = system("exit 7"); // a shell of whichever architecture
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    FILE* pipe = popen("echo through a pipe", "r");
    char text[64] = {0};
    CHECK(pipe && fgets(text, sizeof text, pipe) && !strcmp(text, "through a pipe\n"));
    CHECK(pclose(pipe) == 0);
}

// The fields of CLONE_ARGS_SIZE_VER0.
static pid_t fork_by_clone3(uint64_t flags, int* pidfd, pid_t* parent_tid) {
    const uint64_t args[8] = {flags, (uintptr_t)pidfd, 0, (uintptr_t)parent_tid, SIGCHLD};
    return (pid_t)syscall(SYS_clone3, args, sizeof args);
}

static void forks_by_clone3(void) {
    int pidfd = -1;
    pid_t tid = 0;
    pid_t child = fork_by_clone3(0x101000, &pidfd, &tid); // CLONE_PIDFD | CLONE_PARENT_SETTID
    if (child == 0) {
        _exit(45);
    }
    CHECK(child > 0 && tid == child && pidfd >= 0);
    CHECK(finish(child) == 45 && close(pidfd) == 0);
    child = fork_by_clone3(0x80, NULL, NULL); // CLONE_NEWTIME
    if (child == 0) {
        _exit(46);
    }
    CHECK(child > 0 ? finish(child) == 46 : errno == EPERM);
}

int main(int argc, char** argv) {
    if (argc > 1) {
        return child_main(argc, argv);
    }
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    CHECK(mkdtemp(directory));
    for (int fd = 3; fd < 64; ++fd) { // whatever started us left open
        close(fd);
    }
    RUN(arguments_and_environment);
    RUN(signals_are_inherited);
    RUN(descriptors_are_inherited);
    RUN(scripts);
    RUN(errors);
    RUN(by_descriptor);
    RUN(vforks);
    RUN(spawns);
    RUN(forks_by_clone3);
    char command[4200];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 ? 0 : 1;
}
