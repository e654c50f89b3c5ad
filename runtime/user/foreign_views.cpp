#include "runtime/user/foreign_views.h"

#include <linux/futex.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "runtime/user/proc_files.h"
#include "runtime/user/ptrace_session.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

constexpr std::string_view kFiles[] = {"maps", "smaps", "auxv"};

// The asked process writes its answer here.
struct Answer {
    static constexpr u64 kMostBytes = 16 << 20;

    std::atomic<u32> done; // a futex
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
    pid_t process;
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
    if (answer == nullptr || call_thread(wanted.process, wanted.process, body) != 0 ||
        !await(answer->done)) {
        return std::nullopt;
    }
    return std::string(answer->text, std::min(answer->bytes, Answer::kMostBytes));
}

} // namespace

std::optional<std::string> foreign_view(const std::string& path) {
    const std::optional<Wanted> wanted = wanted_view(path);
    if (!wanted || wanted->process == getpid() || ::access(path.c_str(), R_OK) != 0 ||
        !is_of_same_user(wanted->process)) {
        return std::nullopt;
    }
    const int id = make_segment();
    if (id < 0) {
        return std::nullopt;
    }
    const Segment segment{id};
    auto text = ask(*wanted, segment);
    host_syscall(SYS_shmctl, static_cast<u64>(id), IPC_RMID, 0);
    return text;
}

void give_view(GuestThread& thread) {
    const Segment segment{std::exchange(thread.trace.asked_view, -1)};
    const u32 file = thread.trace.asked_file;
    const ViewText view =
        file < std::size(kFiles) ? proc_view("/proc/self/" + std::string(kFiles[file])) : nullptr;
    if (segment.answer() == nullptr || view == nullptr) {
        return;
    }
    const std::string text = view();
    Answer& answer = *segment.answer();
    answer.bytes = std::min<u64>(text.size(), Answer::kMostBytes);
    std::memcpy(answer.text, text.data(), answer.bytes);
    answer.done = 1;
    wake_futex(answer.done);
}

} // namespace ulna::user
