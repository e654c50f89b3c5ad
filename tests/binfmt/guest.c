// Prints what the kernel, or who stands for it, gave this program.
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static void show_file(const char* name, const char* path) {
    char text[4096];
    const int fd = open(path, O_RDONLY);
    const ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0) {
        printf("%s (cannot be read)\n", name);
        return;
    }
    close(fd);
    for (ssize_t i = 0; i < length; ++i) {
        text[i] = text[i] == '\0' || text[i] == '\n' ? ' ' : text[i];
    }
    text[length] = '\0';
    printf("%s %s\n", name, text);
}

int main(int argc, char** argv) {
    if (argc > 2 && strcmp(argv[1], "exec") == 0) { // itself, under another argv[0]
        char* const args[] = {"renamed", argv[2], NULL};
        execv(argc > 3 ? argv[3] : "/proc/self/exe", args); // or what is named
        return 1;
    }
    printf("args");
    for (int i = 0; i < argc; ++i) {
        printf(" %s", argv[i]);
    }
    char exe[4096] = "";
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) {
        strcpy(exe, "(none)");
    }
    printf("\nexe %s\n", exe);
    printf("execfn %s\n", (const char*)getauxval(AT_EXECFN));
    printf("flags %lu\n", getauxval(AT_FLAGS));
    printf("execfd %ld\n", (long)getauxval(AT_EXECFD)); // 0: absent
    printf("secure %lu\n", getauxval(AT_SECURE));
    printf("ids %u %u\n", getuid(), geteuid());
    printf("descriptors");
    for (int fd = 0; fd < 1100; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0) {
            printf(" %d", fd);
        }
    }
    printf("\n");
    show_file("comm", "/proc/self/comm");
    show_file("cmdline", "/proc/self/cmdline");
    return 0;
}
