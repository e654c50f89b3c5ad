#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/oracle.h"

namespace ulna::fuzz {

namespace {

class PeerOracle final : public Oracle {
  public:
    PeerOracle(std::string emulator, std::string harness)
        : emulator_{std::move(emulator)}, harness_{std::move(harness)} {}
    ~PeerOracle() override { stop(); }

    bool start() {
        int to[2], from[2];
        if (pipe(to) != 0 || pipe(from) != 0) {
            return false;
        }
        child_ = fork();
        if (child_ == 0) {
            dup2(to[0], 0);
            dup2(from[1], 1);
            close(to[1]);
            close(from[0]);
            execlp(emulator_.c_str(), emulator_.c_str(), harness_.c_str(), nullptr);
            _exit(127);
        }
        close(to[0]);
        close(from[1]);
        to_ = to[1];
        from_ = from[0];
        return child_ > 0;
    }

    std::optional<FuzzResult> run(const FuzzCase& test) override {
        FuzzResult result{};
        if (write(to_, &test, sizeof test) == static_cast<ssize_t>(sizeof test) &&
            read_all(&result, sizeof result)) {
            return result;
        }
        stop(); // it died of this case: no verdict, and a new process for the next
        start();
        return std::nullopt;
    }
    bool models_fpsr() const override { return true; }
    const char* name() const override { return "peer"; }

  private:
    bool read_all(void* to, size_t bytes) {
        for (size_t got = 0; got < bytes;) {
            const ssize_t n = read(from_, static_cast<char*>(to) + got, bytes - got);
            if (n <= 0) {
                return false;
            }
            got += static_cast<size_t>(n);
        }
        return true;
    }
    void stop() {
        if (child_ > 0) {
            close(to_);
            close(from_);
            kill(child_, SIGKILL);
            waitpid(child_, nullptr, 0);
            child_ = -1;
        }
    }

    std::string emulator_, harness_;
    pid_t child_ = -1;
    int to_ = -1, from_ = -1;
};

} // namespace

std::unique_ptr<Oracle>
make_peer_oracle(const std::string& emulator, const std::string& harness, std::string& why_not) {
    if (access(harness.c_str(), X_OK) != 0) {
        why_not = harness + ": the harness program is not built";
        return nullptr;
    }
    signal(SIGPIPE, SIG_IGN);
    auto oracle = std::make_unique<PeerOracle>(emulator, harness);
    FuzzCase empty{};
    if (!oracle->start() || !oracle->run(empty)) {
        why_not = emulator + ": cannot be started";
        return nullptr;
    }
    return oracle;
}

} // namespace ulna::fuzz
