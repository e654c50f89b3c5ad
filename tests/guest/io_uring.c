// io_uring: requests that hold what differs between arm64 and x86-64, and the signal mask of a wait.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define OP_EPOLL_WAIT 59 // Linux 6.15
#define OP_PIPE 62       // Linux 6.16

struct ring {
    int fd;
    struct io_uring_params params;
    char* memory;
    struct io_uring_sqe* requests;
};

static uint32_t* at(struct ring* ring, uint32_t offset) { return (uint32_t*)(ring->memory + offset); }

static int make_ring(struct ring* ring, uint32_t flags) {
    memset(&ring->params, 0, sizeof ring->params);
    ring->params.flags = flags;
    ring->fd = syscall(SYS_io_uring_setup, 8, &ring->params);
    if (ring->fd < 0) {
        return -1;
    }
    CHECK(ring->params.features & IORING_FEAT_SINGLE_MMAP);
    const size_t bytes = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe) +
                         ring->params.sq_entries * 4 + 4096;
    ring->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
    ring->requests = mmap(NULL, ring->params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
    CHECK(ring->memory != MAP_FAILED && ring->requests != MAP_FAILED);
    return 0;
}

static struct io_uring_sqe* add(struct ring* ring, int operation) {
    uint32_t* const tail = at(ring, ring->params.sq_off.tail);
    const uint32_t index = *tail & *at(ring, ring->params.sq_off.ring_mask);
    struct io_uring_sqe* const request = &ring->requests[index];
    memset(request, 0, sizeof *request);
    request->opcode = operation;
    at(ring, ring->params.sq_off.array)[index] = index;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    return request;
}

static int result_of(struct ring* ring) {
    uint32_t* const head = at(ring, ring->params.cq_off.head);
    CHECK(*head != __atomic_load_n(at(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE));
    struct io_uring_cqe* const entries = (struct io_uring_cqe*)(ring->memory + ring->params.cq_off.cqes);
    const int result = entries[*head & *at(ring, ring->params.cq_off.ring_mask)].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return result;
}

// Submits one request and gives its result; the request must look as it was written.
static int run_with(struct ring* ring, struct io_uring_sqe* request, int fd, unsigned flags) {
    const struct io_uring_sqe before = *request;
    CHECK(syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS | flags, NULL, 8) == 1);
    CHECK(memcmp(&before, request, sizeof before) == 0);
    return result_of(ring);
}
static int run(struct ring* ring, struct io_uring_sqe* request) { return run_with(ring, request, ring->fd, 0); }

static int open_by_ring(struct ring* ring, const char* name, int flags) {
    struct io_uring_sqe* const request = add(ring, IORING_OP_OPENAT);
    request->fd = AT_FDCWD;
    request->addr = (uintptr_t)name;
    request->open_flags = flags;
    request->len = 0600;
    return run(ring, request);
}

static struct ring g_ring;

static void open_flags(void) {
    const int file = open_by_ring(&g_ring, "file", O_RDWR | O_CREAT | O_EXCL);
    CHECK(file >= 0 && write(file, "x", 1) == 1 && symlink("file", "link") == 0);
    CHECK(open_by_ring(&g_ring, "file", O_RDONLY | O_DIRECTORY) == -ENOTDIR);
    CHECK(open_by_ring(&g_ring, "link", O_RDONLY | O_NOFOLLOW) == -ELOOP);
    const int directory = open_by_ring(&g_ring, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory >= 0 && (fcntl(directory, F_GETFL) & O_DIRECTORY) && fcntl(directory, F_GETFD) == FD_CLOEXEC);
    close(directory), close(file);
}

static void open_how(void) {
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY};
    const struct open_how before = how;
    for (int i = 0; i < 2; ++i) {
        struct io_uring_sqe* const request = add(&g_ring, IORING_OP_OPENAT2);
        request->fd = AT_FDCWD;
        request->addr = (uintptr_t)(i == 0 ? "file" : ".");
        request->addr2 = (uintptr_t)&how;
        request->len = sizeof how;
        const int result = run(&g_ring, request);
        CHECK(i == 0 ? result == -ENOTDIR : result >= 0 && close(result) == 0);
        CHECK(memcmp(&how, &before, sizeof how) == 0);
    }
    struct io_uring_sqe* const request = add(&g_ring, IORING_OP_OPENAT2);
    request->fd = AT_FDCWD;
    request->addr = (uintptr_t)".";
    request->addr2 = 8;
    request->len = sizeof how;
    CHECK(run(&g_ring, request) == -EFAULT);
}

static void epoll_events(void) {
    const int epoll = epoll_create1(0), event = eventfd(3, 0);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, got = {0};
    struct io_uring_sqe* request = add(&g_ring, IORING_OP_EPOLL_CTL);
    request->fd = epoll;
    request->addr = (uintptr_t)&wanted;
    request->len = EPOLL_CTL_ADD;
    request->off = event;
    CHECK(run(&g_ring, request) == 0);
    CHECK(epoll_wait(epoll, &got, 1, 1000) == 1 && got.events == EPOLLIN && got.data.u64 == wanted.data.u64);
    request = add(&g_ring, IORING_OP_EPOLL_CTL);
    request->fd = epoll;
    request->len = EPOLL_CTL_DEL;
    request->off = event;
    CHECK(run(&g_ring, request) == 0);
    CHECK(epoll_wait(epoll, &got, 1, 0) == 0);
    // Its events would have the host's layout: no kernel before 6.15 knows it, and the probe says so.
    request = add(&g_ring, OP_EPOLL_WAIT);
    request->fd = epoll;
    request->addr = (uintptr_t)&got;
    request->len = 1;
    CHECK(run(&g_ring, request) == -EINVAL);
    struct {
        struct io_uring_probe probe;
        struct io_uring_probe_op operations[256];
    } probe = {0};
    CHECK(syscall(SYS_io_uring_register, g_ring.fd, IORING_REGISTER_PROBE, &probe, 256) == 0);
    CHECK(probe.operations[IORING_OP_OPENAT].flags & IO_URING_OP_SUPPORTED);
    CHECK(!(probe.operations[OP_EPOLL_WAIT].flags & IO_URING_OP_SUPPORTED));
    if (probe.operations[OP_PIPE].flags & IO_URING_OP_SUPPORTED) {
        int ends[2];
        char packet[8];
        request = add(&g_ring, OP_PIPE);
        request->addr = (uintptr_t)ends;
        request->open_flags = O_DIRECT;
        CHECK(run(&g_ring, request) == 0);
        CHECK(write(ends[1], "ab", 2) == 2 && write(ends[1], "cd", 2) == 2 && read(ends[0], packet, 8) == 2);
        close(ends[0]), close(ends[1]);
    }
    close(epoll), close(event);
}

// One submission with requests of both kinds, more than fit without wrapping.
static void many_at_once(void) {
    char buffer[4] = {0};
    const int file = open("file", O_RDONLY);
    for (int round = 0; round < 5; ++round) {
        struct io_uring_sqe* const read_request = add(&g_ring, IORING_OP_READ);
        read_request->fd = file;
        read_request->addr = (uintptr_t)buffer;
        read_request->len = 1;
        read_request->flags = IOSQE_IO_LINK;
        struct io_uring_sqe* request = NULL;
        for (int i = 0; i < 4; ++i) {
            request = add(&g_ring, IORING_OP_OPENAT);
            request->fd = AT_FDCWD;
            request->addr = (uintptr_t)"file";
            request->open_flags = O_RDONLY | O_DIRECTORY;
            request->flags = i < 3 ? IOSQE_IO_HARDLINK : 0;
        }
        CHECK(syscall(SYS_io_uring_enter, g_ring.fd, 5, 5, IORING_ENTER_GETEVENTS, NULL, 8) == 5);
        CHECK(request->open_flags == (O_RDONLY | O_DIRECTORY));
        CHECK(result_of(&g_ring) == 1 && buffer[0] == 'x');
        for (int i = 0; i < 4; ++i) {
            CHECK(result_of(&g_ring) == -ENOTDIR);
        }
    }
    close(file);
}

static void registered_ring(void) {
    struct io_uring_rsrc_update update = {.offset = UINT32_MAX, .data = g_ring.fd};
    CHECK(syscall(SYS_io_uring_register, g_ring.fd, IORING_REGISTER_RING_FDS, &update, 1) == 1);
    struct io_uring_sqe* const request = add(&g_ring, IORING_OP_OPENAT);
    request->fd = AT_FDCWD;
    request->addr = (uintptr_t)"file";
    request->open_flags = O_DIRECTORY;
    CHECK(run_with(&g_ring, request, update.offset, IORING_ENTER_REGISTERED_RING) == -ENOTDIR);
}

// A descriptor of the ring by another number; another ring does not get in the way.
static void other_descriptors(void) {
    struct ring other;
    CHECK(make_ring(&other, 0) == 0);
    CHECK(open_by_ring(&other, "file", O_DIRECTORY) == -ENOTDIR);
    struct ring copy = g_ring;
    copy.fd = dup(g_ring.fd);
    CHECK(open_by_ring(&copy, "file", O_DIRECTORY) == -ENOTDIR);
    close(copy.fd), close(other.fd);
    const pid_t child = fork();
    if (child == 0) {
        _exit(open_by_ring(&g_ring, "file", O_DIRECTORY) == -ENOTDIR ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static volatile sig_atomic_t g_alarms;
static void on_alarm(int signal) { g_alarms += signal == SIGALRM; }

// The mask of the call lets the signal in; after it, and without it, the signal is blocked.
static void signal_mask(void) {
    const struct sigaction action = {.sa_handler = on_alarm};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    uint64_t blocked = UINT64_C(1) << (SIGALRM - 1), open_mask = 0, now;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, NULL, 8) == 0);
    const struct io_uring_getevents_arg extended = {.sigmask = (uintptr_t)&open_mask, .sigmask_sz = 8};
    for (int i = 0; i < 2; ++i) {
        g_alarms = 0;
        CHECK(raise(SIGALRM) == 0 && g_alarms == 0);
        const long result = i == 0
            ? syscall(SYS_io_uring_enter, g_ring.fd, 0, 1, IORING_ENTER_GETEVENTS, &open_mask, 8)
            : syscall(SYS_io_uring_enter, g_ring.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &extended,
                      sizeof extended);
        CHECK(result == -1 && errno == EINTR && g_alarms == 1);
        CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8) == 0 && now == blocked);
    }
    CHECK(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &blocked, NULL, 8) == 0);
}

int main(void) {
    char directory[] = "/tmp/ulna-uring-XXXXXX";
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    if (make_ring(&g_ring, 0) != 0) {
        printf("no io_uring on this host (errno %d)\n", errno);
        CHECK(errno == ENOSYS || errno == EPERM);
    } else {
        RUN(open_flags);
        RUN(open_how);
        RUN(epoll_events);
        RUN(many_at_once);
        RUN(registered_ring);
        RUN(other_descriptors);
        RUN(signal_mask);
        struct ring polled;
        CHECK(make_ring(&polled, IORING_SETUP_SQPOLL) != 0 && errno == EPERM);
        CHECK(unlink("file") == 0 && unlink("link") == 0);
    }
    CHECK(rmdir(directory) == 0);
    return 0;
}
