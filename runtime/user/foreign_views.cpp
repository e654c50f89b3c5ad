#include "runtime/user/foreign_views.h"

#include <linux/futex.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "runtime/user/proc_files.h"
#include "runtime/user/ptrace_proc.h"
#include "runtime/user/ptrace_session.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

constexpr std::string_view kFiles[] = {"maps", "smaps", "auxv", "status"};
constexpr u32 kStatus = 3; // of which only who traces the thread is asked

// The asked process writes its answer here.
struct Answer {
    static constexpr u64 kMostBytes = 16 << 20;

    std::atomic<u32> done; // a futex
    pid_t thread;          // by who asks
    u64 bytes;
    char text[kMostBytes];
};

// A System V segment, while it is attached.
class Segment {
  public:
    explicit Segment(int id) : id_{id} {
        const i64 at = host_syscall(SYS_shmat, static_cast<u64>(id), 0, 0);
        answer_ = at < 0 && at > -4096 ? nullptr : reinterpret_cast<Answer*>(at);
    }
    ~Segment() {
        if (answer_ != nullptr) {
            host_syscall(SYS_shmdt, reinterpret_cast<u64>(answer_));
        }
    }
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;

    [[nodiscard]] int id() const { return id_; }
    [[nodiscard]] Answer* answer() const { return answer_; }

  private:
    int id_;
    Answer* answer_;
};

int make_segment() {
    constexpr u64 kNoReserve = 010000; // SHM_NORESERVE
    return static_cast<int>(host_syscall(SYS_shmget, IPC_PRIVATE, sizeof(Answer),
                                         IPC_CREAT | kNoReserve | S_IRUSR | S_IWUSR));
}

struct Wanted {
    pid_t process, thread;
    u32 file; // of kFiles
};

// "/proc/PID/FILE", "/proc/PID/task/TID/FILE"
std::optional<Wanted> wanted_view(std::string_view path) {
    constexpr std::string_view kProc = "/proc/";
    const std::size_t slash = path.rfind('/');
    Wanted wanted = {};
    if (!path.starts_with(kProc) || slash < kProc.size()) {
        return std::nullopt;
    }
    const auto* const file = std::ranges::find(kFiles, path.substr(slash + 1));
    const auto [rest, error] =
        std::from_chars(path.data() + kProc.size(), path.data() + slash, wanted.process);
    if (file == std::end(kFiles) || error != std::errc{} || *rest != '/') {
        return std::nullopt;
    }
    wanted.thread = wanted.process;
    constexpr std::string_view kTask = "/task/";
    if (std::string_view(rest, path.data() + slash).starts_with(kTask)) {
        std::from_chars(rest + kTask.size(), path.data() + slash, wanted.thread);
    }
    wanted.file = static_cast<u32>(file - kFiles);
    return wanted;
}

// Others could not attach what is ours.
bool is_of_same_user(pid_t process) {
    struct stat status;
    return ::stat(("/proc/" + std::to_string(process)).c_str(), &status) == 0 &&
           status.st_uid == geteuid();
}

bool await(const std::atomic<u32>& done) {
    constexpr int kSteps = 50; // of 10 ms
    for (int i = 0; i < kSteps && done.load() == 0; ++i) {
        const timespec step = {0, 10'000'000};
        host_syscall(SYS_futex, reinterpret_cast<u64>(&done), FUTEX_WAIT, 0,
                     reinterpret_cast<u64>(&step));
    }
    return done.load() != 0;
}

std::optional<std::string> ask(const Wanted& wanted, const Segment& segment) {
    Answer* const answer = segment.answer();
    const TraceCallBody body = {segment.id(), wanted.file, static_cast<u32>(TraceCall::Show)};
    if (answer != nullptr) {
        answer->thread = wanted.thread;
    }
    if (answer == nullptr || call_thread(wanted.process, wanted.process, body) != 0 ||
        !await(answer->done)) {
        return std::nullopt;
    }
    return std::string(answer->text, std::min(answer->bytes, Answer::kMostBytes));
}

std::optional<std::string> ask_process(const Wanted& wanted) {
    const int id =
        wanted.process == getpid() || !is_of_same_user(wanted.process) ? -1 : make_segment();
    if (id < 0) {
        return std::nullopt;
    }
    const Segment segment{id};
    auto text = ask(wanted, segment);
    host_syscall(SYS_shmctl, static_cast<u64>(id), IPC_RMID, 0);
    return text;
}

// --- status. "TRACER STOPPED", both numbers, is what one process tells the other.

std::string tell_state(pid_t thread) {
    const TracedState state = known_state(thread);
    return std::to_string(state.tracer) + (state.stopped ? " 1" : " 0");
}

TracedState state_from(const std::string& text) {
    TracedState state;
    int stopped = 0;
    static_cast<void>(std::sscanf(text.c_str(), "%d %d", &state.tracer, &stopped));
    state.stopped = stopped != 0;
    return state;
}

// Where the host stops a process, it answers nobody.
TracedState state_of(const Wanted& wanted) {
    const TracedState known = known_state(wanted.thread);
    if (known.tracer != 0 || !may_be_traced(wanted.thread) || is_host_stopped(wanted.process)) {
        return known;
    }
    return state_from(ask_process(wanted).value_or(""));
}

// The line that begins with `name` becomes another one.
void replace_line(std::string& text, const std::string& name, const std::string& line) {
    const std::size_t at = text.find("\n" + name);
    if (at != text.npos) {
        text.replace(at + 1, text.find('\n', at + 1) - at - 1, line);
    }
}

std::optional<std::string> foreign_status(const Wanted& wanted) {
    const TracedState state = state_of(wanted);
    if (state.tracer == 0) {
        return std::nullopt;
    }
    std::string text = proc_text(wanted.thread, "status");
    replace_line(text, "TracerPid:", "TracerPid:\t" + std::to_string(state.tracer));
    if (state.stopped) {
        replace_line(text, "State:", "State:\tt (tracing stop)");
    }
    return text.empty() ? std::nullopt : std::optional(text);
}

} // namespace

std::optional<std::string> foreign_view(const std::string& path) {
    const std::optional<Wanted> wanted = wanted_view(path);
    if (!wanted || ::access(path.c_str(), R_OK) != 0) {
        return std::nullopt;
    }
    return wanted->file == kStatus ? foreign_status(*wanted) : ask_process(*wanted);
}

void give_view(GuestThread& thread) {
    const Segment segment{std::exchange(thread.trace.asked_view, -1)};
    const u32 file = thread.trace.asked_file;
    if (segment.answer() == nullptr || file >= std::size(kFiles)) {
        return;
    }
    Answer& answer = *segment.answer();
    const ViewText view = proc_view("/proc/self/" + std::string(kFiles[file]));
    if (view == nullptr) {
        return;
    }
    const std::string text = file == kStatus ? tell_state(answer.thread) : view();
    answer.bytes = std::min<u64>(text.size(), Answer::kMostBytes);
    std::memcpy(answer.text, text.data(), answer.bytes);
    answer.done = 1;
    wake_futex(answer.done);
}

} // namespace ulna::user
