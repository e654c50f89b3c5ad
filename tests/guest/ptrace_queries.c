// ptrace(2): what a tracer asks of a tracee beside its registers and memory. Compiled for the host it checks the
// host's kernel.
#define _GNU_SOURCE
#include "ptrace_check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

// --- signals that wait

enum { kOfThread = -10, kOfProcess = -20, kSent = 100 }; // si_code, how many

static void send_to(pid_t pid, int signal, int code, int value) {
    siginfo_t info = {};
    info.si_signo = signal;
    info.si_code = code;
    info.si_int = value;
    if (code == kOfThread) {
        CHECK(syscall(SYS_rt_tgsigqueueinfo, pid, pid, signal, &info) == 0);
    } else {
        CHECK(syscall(SYS_rt_sigqueueinfo, pid, signal, &info) == 0);
    }
}

static void block_signals(int how) {
    sigset_t all;
    sigfillset(&all);
    CHECK(sigprocmask(how, &all, NULL) == 0);
}

static void sleep_blocked(void) {
    block_signals(SIG_BLOCK);
    raise(SIGSTOP);
    pause();
}

static long peek_signals(pid_t pid, unsigned flags, uint64_t first, int count, void* to) {
    struct ptrace_peeksiginfo_args args = {.off = first, .flags = flags, .nr = count};
    return ptrace_(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)to);
}

static void expect_signals(pid_t pid, int first, int count, int expected) {
    static const int codes[] = {kOfThread, kOfProcess}; // by flags
    for (unsigned flags = 0; flags <= PTRACE_PEEKSIGINFO_SHARED; ++flags) {
        siginfo_t infos[kSent];
        CHECK(peek_signals(pid, flags, first, count, infos) == expected);
        for (int i = 0; i < expected; ++i) {
            CHECK(infos[i].si_signo == SIGRTMIN && infos[i].si_code == codes[flags]);
            CHECK(infos[i].si_int == first + i);
        }
    }
}

static void waiting_signals(void) {
    const pid_t pid = start(sleep_blocked);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    expect_signals(pid, 0, 1, 0);
    for (int i = 0; i < kSent; ++i) {
        send_to(pid, SIGRTMIN, kOfThread, i);
        send_to(pid, SIGRTMIN, kOfProcess, i);
    }
    expect_signals(pid, 0, 1, 1);
    expect_signals(pid, 0, kSent, kSent);
    expect_signals(pid, 7, 20, 20);
    expect_signals(pid, kSent - 3, 20, 3);
    expect_signals(pid, kSent, 1, 0);
    expect_signals(pid, 0, 0, 0);
    expect_signals(pid, 0, kSent, kSent); // they are still there
    end(pid);
}

// A standard signal waits once, in the queue that it was sent to.
static void kinds_of_signals(void) {
    const pid_t pid = start(sleep_blocked);
    siginfo_t infos[8];
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    CHECK(kill(pid, SIGUSR1) == 0 && kill(pid, SIGUSR1) == 0 && kill(pid, SIGSEGV) == 0);
    CHECK(syscall(SYS_tkill, pid, SIGTRAP) == 0);
    CHECK(peek_signals(pid, 0, 0, 8, infos) == 1);
    CHECK(infos[0].si_signo == SIGTRAP && infos[0].si_code == SI_TKILL);
    CHECK(peek_signals(pid, PTRACE_PEEKSIGINFO_SHARED, 0, 8, infos) == 2);
    CHECK(infos[0].si_signo + infos[1].si_signo == SIGUSR1 + SIGSEGV);
    CHECK(infos[0].si_code == SI_USER && infos[0].si_pid == getpid());
    end(pid);
}

static void take_two(void) {
    raise(SIGSTOP);
    raise(SIGUSR1);
}

// A signal that is being reported waits no more; those behind it do.
static void signals_while_stopped(void) {
    const pid_t pid = start(take_two);
    siginfo_t info;
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGUSR1);
    CHECK(peek_signals(pid, 0, 0, 1, &info) == 0);
    CHECK(kill(pid, SIGUSR2) == 0 && kill(pid, SIGTERM) == 0);
    int seen = 0;
    for (int i = 0; i < 2; ++i) {
        CHECK(peek_signals(pid, PTRACE_PEEKSIGINFO_SHARED, i, 1, &info) == 1);
        seen += info.si_signo;
    }
    CHECK(seen == SIGUSR2 + SIGTERM);
    CHECK(peek_signals(pid, PTRACE_PEEKSIGINFO_SHARED, 2, 1, &info) == 0);
    resume(PTRACE_CONT, pid, 0);
    const int first = WSTOPSIG(wait_for(pid));
    CHECK(first == SIGUSR2 || first == SIGTERM);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGUSR2 + SIGTERM - first);
    CHECK(peek_signals(pid, PTRACE_PEEKSIGINFO_SHARED, 0, 1, &info) == 0);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 0);
}

static void errors_of_peeking(void) {
    const pid_t pid = start(sleep_blocked);
    siginfo_t info;
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    CHECK(peek_signals(pid, 2, 0, 1, &info) == -1 && errno == EINVAL);
    CHECK(peek_signals(pid, 0, 0, -1, &info) == -1 && errno == EINVAL);
    CHECK(ptrace_(PTRACE_PEEKSIGINFO, pid, 8, (uintptr_t)&info) == -1 && errno == EFAULT);
    CHECK(peek_signals(pid, 0, ~0ull, 2, &info) == 0);
    for (int i = 0; i < 10; ++i) {
        send_to(pid, SIGRTMIN, kOfThread, i);
    }
    const long page = sysconf(_SC_PAGESIZE);
    char* const two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(two != MAP_FAILED && mprotect(two + page, page, PROT_READ) == 0);
    CHECK(peek_signals(pid, 0, 0, 1, two + page) == -1 && errno == EFAULT);
    CHECK(peek_signals(pid, 0, 0, 10, two + page - 2 * sizeof info) == 2); // those that had room
    CHECK(munmap(two, 2 * page) == 0);
    resume(PTRACE_CONT, pid, 0); // to its pause()
    CHECK(peek_signals(pid, 0, 0, 1, &info) == -1 && errno == ESRCH);
    end(pid);
}

// --- filters of system calls

enum { kLongProgram = 1000 };

static void add_filter(unsigned short count, const struct sock_filter* code, unsigned flags) {
    const struct sock_fprog program = {count, (struct sock_filter*)code};
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0);
}

static const struct sock_filter kAllow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

// Each instruction is another one.
static void make_long_program(struct sock_filter* code) {
    for (int i = 0; i < kLongProgram - 1; ++i) {
        code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, (unsigned)i);
    }
    code[kLongProgram - 1] = kAllow;
}

static void stop_filtered(void) {
    struct sock_filter code[kLongProgram];
    make_long_program(code);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    add_filter(kLongProgram, code, 0);
    add_filter(1, &kAllow, SECCOMP_FILTER_FLAG_LOG);
    raise(SIGSTOP);
    execl("/proc/self/exe", "ptrace_queries", "--stop", NULL);
}

static long get_filter(pid_t pid, unsigned long n, void* to) {
    return ptrace_(PTRACE_SECCOMP_GET_FILTER, pid, n, (uintptr_t)to);
}

static long get_metadata(pid_t pid, uint64_t n, unsigned long bytes, struct seccomp_metadata* data) {
    data->filter_off = n;
    data->flags = 99;
    return ptrace_(PTRACE_SECCOMP_GET_METADATA, pid, bytes, (uintptr_t)data);
}

static void expect_filters(pid_t pid) {
    static struct sock_filter expected[kLongProgram], code[kLongProgram + 1];
    struct seccomp_metadata data;
    make_long_program(expected);
    CHECK(get_filter(pid, 0, NULL) == kLongProgram);
    memset(code, 0xee, sizeof code);
    CHECK(get_filter(pid, 0, code) == kLongProgram && memcmp(code, expected, sizeof expected) == 0);
    CHECK(code[kLongProgram].k == 0xeeeeeeee);
    CHECK(get_filter(pid, 1, code) == 1 && code[0].code == kAllow.code && code[0].k == kAllow.k);
    CHECK(get_filter(pid, 2, code) == -1 && errno == ENOENT);
    CHECK(get_filter(pid, 0, (void*)8) == -1 && errno == EFAULT);
    CHECK(get_metadata(pid, 0, sizeof data, &data) == sizeof data && data.flags == 0);
    CHECK(get_metadata(pid, 1, 1000, &data) == sizeof data && data.flags == SECCOMP_FILTER_FLAG_LOG);
    CHECK(get_metadata(pid, 1, 8, &data) == 8 && data.flags == 99);
    CHECK(get_metadata(pid, 1, 7, &data) == -1 && errno == EINVAL);
    CHECK(get_metadata(pid, 2, sizeof data, &data) == -1 && errno == ENOENT);
    CHECK(ptrace_(PTRACE_SECCOMP_GET_METADATA, pid, 16, 8) == -1 && errno == EFAULT);
}

static void expect_refusal(pid_t pid) {
    struct seccomp_metadata data;
    CHECK(get_filter(pid, 0, NULL) == -1 && errno == EACCES);
    CHECK(get_metadata(pid, 0, 1, &data) == -1 && errno == EACCES);
    end(pid);
}

// Who has filters sees none.
static void look_filtered(void) {
    const pid_t pid = start(stop_filtered);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    add_filter(1, &kAllow, 0);
    expect_refusal(pid);
}

static void look_as_user(void) {
    const pid_t pid = start(stop_filtered);
    CHECK(syscall(SYS_setresuid, -1, 65534, -1) == 0); // it may still kill
    expect_refusal(pid);
}

static void expect_success(void (*body)(void)) {
    const pid_t pid = start_untraced(body);
    expect_exit(pid, 0);
}

static void filters(void) {
    const pid_t pid = start(stop_filtered);
    struct seccomp_metadata data;
    const int sees = get_filter(pid, 0, NULL) == -1 && errno == EINVAL; // it has none yet
    CHECK(sees || errno == EACCES);
    if (sees) {
        CHECK(get_metadata(pid, 0, sizeof data, &data) == -1 && errno == EINVAL);
        resume(PTRACE_CONT, pid, 0);
        expect_stop(pid, SIGSTOP);
        expect_filters(pid);
        resume(PTRACE_CONT, pid, 0);
        expect_stop(pid, SIGTRAP); // execve
        expect_filters(pid);
        expect_success(look_as_user);
    }
    end(pid);
    expect_success(look_filtered);
}

#ifdef __aarch64__
// --- tags of memory, and what else an Arm CPU can be told

enum { kPeekTags = 33, kPokeTags = 34, kProtTagged = 0x20, kGranules = 2 * 4096 / 16 };

static char* g_tagged; // two pages with tags, and one without

static unsigned tag_at(const char* at) {
    const char* tagged = at;
    __asm__(".arch armv8.5-a+memtag\nldg %0, [%1]" : "+r"(tagged) : "r"(at));
    return (uintptr_t)tagged >> 56 & 0xf;
}

static void set_tag(char* at, uint64_t tag) {
    const uintptr_t tagged = (uintptr_t)at | tag << 56;
    __asm__ volatile(".arch armv8.5-a+memtag\nstg %0, [%0]" : : "r"(tagged) : "memory");
}

static void check_tags(void) {
    for (int i = 0; i < kGranules; ++i) {
        set_tag(g_tagged + 16 * i, i);
    }
    raise(SIGSTOP);
    for (int i = 0; i < kGranules; ++i) {
        const unsigned expected = i == 3 ? 9 : i == kGranules - 1 ? 10 : i & 0xf;
        CHECK(tag_at(g_tagged + 16 * i) == expected);
    }
}

// How many tags there were.
static long copy_tags(pid_t pid, long request, const void* at, void* tags, size_t count) {
    struct iovec place = {tags, count};
    const long result = ptrace_(request, pid, (uintptr_t)at, (uintptr_t)&place);
    CHECK(result == 0 || result == -1);
    return result == 0 ? (long)place.iov_len : -1;
}

static void tags_of_memory(void) {
    unsigned char tags[kGranules + 10];
    g_tagged = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | kProtTagged, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(g_tagged != MAP_FAILED);
    char* const untagged = g_tagged + 2 * 4096;
    CHECK(mmap(untagged, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == untagged);
    const pid_t pid = start(check_tags);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    CHECK(copy_tags(pid, kPeekTags, g_tagged, tags, sizeof tags) == kGranules);
    for (int i = 0; i < kGranules; ++i) {
        CHECK(tags[i] == (i & 0xf));
    }
    CHECK(copy_tags(pid, kPeekTags, g_tagged + 33, tags, 2) == 2 && tags[0] == 2 && tags[1] == 3);
    tags[0] = 0xf9; // what is no tag is lost
    CHECK(copy_tags(pid, kPokeTags, g_tagged + 3 * 16 + 5, tags, 1) == 1);
    tags[0] = tags[1] = 10;
    CHECK(copy_tags(pid, kPokeTags, untagged - 16, tags, 2) == 1);
    CHECK(copy_tags(pid, kPeekTags, untagged, tags, 1) == -1 && errno == EIO);
    CHECK(copy_tags(pid, kPokeTags, (void*)8, tags, 1) == -1 && errno == EIO);
    CHECK(copy_tags(pid, kPeekTags, g_tagged, (void*)8, 1) == -1 && errno == EFAULT);
    CHECK(copy_tags(pid, kPokeTags, g_tagged, (void*)8, 1) == -1 && errno == EFAULT);
    CHECK(ptrace_(kPeekTags, pid, (uintptr_t)g_tagged, 8) == -1 && errno == EFAULT);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 0);
    CHECK(munmap(g_tagged, 3 * 4096) == 0);
}

enum { kTagControl = 0x409, kEnabledKeys = 0x40a }; // NT_ARM_*
#define CONTROL (PR_TAGGED_ADDR_ENABLE | PR_MTE_TCF_SYNC | 0x123ul << PR_MTE_TAG_SHIFT)
#define KEYS (PR_PAC_APIAKEY | PR_PAC_APIBKEY | PR_PAC_APDBKEY)

static void check_control(void) {
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == CONTROL);
    CHECK(prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0) == KEYS);
}

static long exchange_word(pid_t pid, long request, long set, unsigned long* word) {
    struct iovec place = {word, sizeof *word};
    return ptrace_(request, pid, set, (uintptr_t)&place);
}

static void controls(void) {
    const pid_t pid = start(check_control);
    unsigned long word = 0;
    CHECK(exchange_word(pid, PTRACE_GETREGSET, kTagControl, &word) == 0 && word == 0);
    word = 1ul << 40;
    CHECK(exchange_word(pid, PTRACE_SETREGSET, kTagControl, &word) == -1 && errno == EINVAL);
    word = CONTROL;
    CHECK(exchange_word(pid, PTRACE_SETREGSET, kTagControl, &word) == 0);
    word = 0;
    CHECK(exchange_word(pid, PTRACE_GETREGSET, kTagControl, &word) == 0 && word == CONTROL);
    word = KEYS | PR_PAC_APGAKEY;
    CHECK(exchange_word(pid, PTRACE_SETREGSET, kEnabledKeys, &word) == -1 && errno == EINVAL);
    word = KEYS;
    CHECK(exchange_word(pid, PTRACE_SETREGSET, kEnabledKeys, &word) == 0);
    word = 0;
    CHECK(exchange_word(pid, PTRACE_GETREGSET, kEnabledKeys, &word) == 0 && word == KEYS);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 0);
}
#endif

int main(void) {
    RUN(waiting_signals);
    RUN(kinds_of_signals);
    RUN(signals_while_stopped);
    RUN(errors_of_peeking);
    RUN(filters);
#ifdef __aarch64__
    RUN(tags_of_memory);
    RUN(controls);
#endif
    return 0;
}
