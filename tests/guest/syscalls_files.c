// System calls whose flags or structures differ between arm64 and x86-64, and those whose names are special.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void open_flags(void) {
    int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(fd >= 0);
    CHECK(write(fd, "hello world", 11) == 11);
    CHECK(symlink("file", "link") == 0);
    CHECK(open("link", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
    CHECK(open("file", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(directory >= 0);
    CHECK((fcntl(directory, F_GETFL) & O_DIRECTORY) != 0);
    CHECK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK) == 0);
    CHECK((fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW)) ==
          (O_APPEND | O_NONBLOCK));
    int temporary = open(".", O_TMPFILE | O_RDWR, 0600);
    CHECK(temporary >= 0 || errno == EOPNOTSUPP);
    int pipe_fds[2];
    CHECK(pipe2(pipe_fds, O_DIRECT | O_CLOEXEC) == 0); // packets
    CHECK(write(pipe_fds[1], "ab", 2) == 2 && write(pipe_fds[1], "cd", 2) == 2);
    char packet[8];
    CHECK(read(pipe_fds[0], packet, sizeof packet) == 2);
    close(temporary), close(directory), close(fd), close(pipe_fds[0]), close(pipe_fds[1]);
}

static void metadata(void) {
    struct stat info;
    CHECK(stat("link", &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 11);
    CHECK((info.st_mode & 07777) == 0640 && info.st_nlink == 1 && info.st_blksize > 0);
    CHECK(lstat("link", &info) == 0 && S_ISLNK(info.st_mode));
    struct statx extended;
    CHECK(statx(AT_FDCWD, "link", 0, STATX_ALL, &extended) == 0 && extended.stx_size == 11);
    struct timespec times[2] = {{1, 2}, {3, 4}};
    CHECK(utimensat(AT_FDCWD, "file", times, 0) == 0 && stat("file", &info) == 0);
    CHECK(info.st_atim.tv_nsec == 2 && info.st_mtim.tv_sec == 3 && info.st_mtim.tv_nsec == 4);
    char target[16];
    CHECK(readlink("link", target, sizeof target) == 4);
}

static void events(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_NONBLOCK);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0);
    struct epoll_event got[3];
    memset(got, 0xff, sizeof got);
    CHECK(epoll_wait(epoll, got, 3, 0) == 0);
    CHECK(eventfd_write(event, 5) == 0);
    CHECK(epoll_wait(epoll, got, 3, -1) == 1);
    CHECK(got[0].events == EPOLLIN && got[0].data.u64 == 0x1122334455667788);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL) == 0);
    close(event), close(epoll);
}

static void passing_descriptors(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    char byte = 'x', control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pair[0], sizeof(int));
    CHECK(sendmsg(pair[0], &message, 0) == 1);
    CHECK(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC) == 1);
    int received;
    memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
    CHECK(fcntl(received, F_GETFD) == FD_CLOEXEC);
    close(received), close(pair[0]), close(pair[1]);
}

static void bad_pointers(void) {
    void* const bad = (void*)8;
    struct stat info;
    CHECK(stat(bad, &info) == -1 && errno == EFAULT);
    CHECK(stat(".", bad) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_clock_gettime, 0, bad) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_uname, bad) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, bad) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_write, 1, bad, 10) == -1 && errno == EFAULT);
    CHECK(syscall(5000) == -1 && errno == ENOSYS);
}

static void identity(const char* program) {
    struct utsname names;
    CHECK(uname(&names) == 0 && strcmp(names.machine, "aarch64") == 0);
    char exe[4096];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    CHECK(length > 0);
    exe[length] = '\0';
    struct stat self, named;
    CHECK(stat("/proc/self/exe", &self) == 0 && stat(exe, &named) == 0);
    CHECK(self.st_ino == named.st_ino);
    CHECK(strcmp(strrchr(exe, '/'), strrchr(program, '/')) == 0);

    char text[4096];
    int file = open("/proc/self/cmdline", O_RDONLY);
    CHECK(read(file, text, sizeof text) == (ssize_t)strlen(program) + 1 && strcmp(text, program) == 0);
    close(file);
    file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(fcntl(file, F_GETFD) == FD_CLOEXEC);
    length = read(file, text, sizeof text - 1);
    CHECK(length > 0);
    text[length] = '\0';
    CHECK(strstr(text, exe) != NULL && strstr(text, "[stack]") != NULL && strstr(text, "ulna") == NULL);
    close(file);
    file = open("/proc/cpuinfo", O_RDONLY);
    CHECK(read(file, text, sizeof text) > 0 && strstr(text, "CPU architecture: 8") != NULL);
    close(file);
    CHECK(prctl(PR_SET_NAME, "renamed") == 0 && prctl(PR_GET_NAME, text) == 0);
    CHECK(strcmp(text, "renamed") == 0);
}

int main(int argc, char** argv) {
    (void)argc;
    char directory[] = "/tmp/ulna-files-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    identity(argv[0]);
    CHECK(chdir(directory) == 0);
    open_flags();
    metadata();
    events();
    passing_descriptors();
    bad_pointers();
    CHECK(unlink("link") == 0 && unlink("file") == 0 && rmdir(directory) == 0);
    return 0;
}
