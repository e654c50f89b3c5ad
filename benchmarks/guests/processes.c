// Starts a program again and again by fork and exec, one after the other.
// usage: processes COUNT PROGRAM [ARGUMENT...]; prints how many of them exited with 0.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const long count = strtol(argv[1], NULL, 10);
    long good = 0;
    for (long i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            execv(argv[2], argv + 2);
            _exit(127);
        }
        int status = 0;
        good += child > 0 && waitpid(child, &status, 0) == child && status == 0;
    }
    printf("%ld\n", good);
    return good == count ? 0 : 1;
}
