// From hot blocks to regions in an engine: what is selected, installed, invalidated; and the
// guest's results on the way.
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/tier2/messages.h"
#include "runtime/tier2/requested_code.h"
#include "runtime/tier2/server_connection.h"
#include "tests/support/local_compile_service.h"
#include "tests/unit/runtime_guest.h"
#include "tools/tier2/known_answers.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::ExitReason;
using runtime::TierTwoPolicy;

namespace {

// An engine with tier 2, on a guest's memory.
class TieredEngine {
  public:
    TieredEngine(GuestArea& area,
                 TierTwoPolicy policy,
                 std::unique_ptr<runtime::CompileService> service = make_local_compile_service())
        : service_{std::move(service)} {
        runtime::EngineConfig config;
        config.code = &area;
        config.tier2 = service_.get();
        config.tier2_policy = policy;
        std::string why_not;
        engine_ = runtime::Engine::create(config, why_not);
        REQUIRE(engine_ != nullptr);
    }
    runtime::Engine& operator*() { return *engine_; }
    runtime::Engine* operator->() { return engine_.get(); }
    [[nodiscard]] u64 statistic(const std::string& name) const {
        return statistic_of(*engine_, name);
    }
    [[nodiscard]] u64 regions() const { return statistic("regions installed"); }

  private:
    std::unique_ptr<runtime::CompileService> service_;
    std::unique_ptr<runtime::Engine> engine_;
};

// Takes requests, and answers none: a server that does not get its turn.
class SilentCompileService final : public runtime::CompileService {
  public:
    [[nodiscard]] bool submit(u64, std::span<const u8>, u32) override { return true; }
    [[nodiscard]] std::optional<Finished> take_finished(ir::CpuState* waits) override {
        while (waits != nullptr && !runtime::is_wanted_elsewhere(*waits)) {
            usleep(1000);
        }
        return {};
    }
    void after_fork_in_child() override {}
};

// x0 = x0 + (x0 - 1) + ... + 1, by a loop with a call in it.
void put_sum_with_call(GuestArea& area) {
    area.put(0, {movz(1, 0), bl(3), subs(0, 0, 1), b_ne(-2), b(3), add_reg(1, 1, 0), kRet,
                 add(0, 1, 0), kSvc});
    area.put(4, {bl(4)}); // to add_reg
}

void check_sums(GuestArea& area, GuestCpu& cpu) {
    put_sum_with_call(area);
    for (const u64 n : {u64{1}, u64{2}, u64{1000}}) {
        cpu->x[0] = n;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->x[0] == n * (n + 1) / 2);
    }
}

} // namespace

TEST_CASE("tiering: every block becomes a region at once, and results stay", "[tier2][tiering]") {
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always);
    GuestCpu cpu{*engine};
    check_sums(area, cpu);
    CHECK(engine.regions() >= 3);
    CHECK(engine.statistic("regions that tier 2 refused") == 0);
}

TEST_CASE("tiering: a region that is made a second time takes the first one's place",
          "[tier2][tiering]") {
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Twice);
    GuestCpu cpu{*engine};
    check_sums(area, cpu);
    CHECK(engine.regions() >= 3);
    area.put(20, {add(1, 1, 2)}); // in the function that is called: all of them go
    engine->invalidate(area.at(20), 4);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 200);
}

TEST_CASE("tiering: a signal does not wait for the compile server", "[tier2][tiering]") {
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always, std::make_unique<SilentCompileService>());
    GuestCpu cpu{*engine};
    put_sum_with_call(area);
    cpu->x[0] = 100;
    std::thread other{[&] {
        usleep(20'000);
        engine->request_safepoint(*cpu);
    }};
    CHECK(cpu.run(area.at(0)) == ExitReason::Safepoint);
    other.join();
    CHECK(engine.regions() == 0);
}

TEST_CASE("tiering: what is refused is counted by its reason", "[tier2][tiering]") {
    class Refusing final : public runtime::CompileService {
      public:
        [[nodiscard]] bool submit(u64 job, std::span<const u8>, u32) override {
            runtime::CompileAnswer answer;
            answer.refusal = "mood";
            finished_ = Finished{job, encode(answer)};
            return true;
        }
        [[nodiscard]] std::optional<Finished> take_finished(ir::CpuState*) override {
            return std::exchange(finished_, std::nullopt);
        }
        void after_fork_in_child() override {}

      private:
        std::optional<Finished> finished_;
    };
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always, std::make_unique<Refusing>());
    GuestCpu cpu{*engine};
    put_sum_with_call(area);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 5050);
    CHECK(engine.regions() == 0);
    CHECK(engine.statistic("regions that tier 2 refused") >= 3);
    CHECK(engine.statistic("  mood") == engine.statistic("regions that tier 2 refused"));
}

TEST_CASE("tier 2: a job whose server has ended is an orphan", "[tier2]") {
    const u8 message[] = {1, 2, 3};
    int fd = -1;
    const auto mine = runtime::JobMemory::create(message, fd);
    REQUIRE(mine != nullptr);
    int done_fd = -1;
    const auto done = runtime::JobMemory::create(message, done_fd);
    REQUIRE(done != nullptr);
    int status = 0;
    const pid_t server = fork();
    if (server == 0) { // ends with two jobs, one of them done
        auto first = runtime::JobMemory::open(fd);
        auto second = runtime::JobMemory::open(done_fd);
        first->accept();
        second->accept();
        second->set_state(runtime::JobState::Done);
        const bool was_one = first->is_orphan(); // asked here: the server may be faster than we are
        second.reset();
        _exit(was_one ? 1 : 0);
    }
    REQUIRE(waitpid(server, &status, 0) == server);
    CHECK(status == 0);
    CHECK(mine->state() == runtime::JobState::Accepted);
    CHECK(mine->is_orphan());
    CHECK_FALSE(done->is_orphan());
    close(fd);
    close(done_fd);
}

namespace {

int listening_socket = -1; // of the connection under test

bool keep_socket(int socket, runtime::ServerKind) {
    listening_socket = dup(socket);
    return listening_socket >= 0;
}

// Accepts a connection that has sent something; -1: there was none for so long.
int accept_for(int milliseconds) {
    pollfd waiting{listening_socket, POLLIN, 0};
    for (int socket; poll(&waiting, 1, milliseconds) > 0; close(socket)) {
        socket = accept(listening_socket, nullptr, nullptr);
        char byte;
        if (recv(socket, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1) {
            return socket;
        }
    }
    return -1;
}

} // namespace

TEST_CASE("tier 2: a request that no server has received is sent again", "[tier2]") {
    const u64 configuration = static_cast<u64>(getpid()) << 32 | 0x7e57;
    runtime::ServerConnection connection{configuration, runtime::ServerKind::Waited, keep_socket};
    const u8 message[] = {1, 2, 3};
    REQUIRE(connection.submit(1, message, 0));
    close(accept_for(1000)); // with what was in it
    int again = -1;
    for (int i = 0; i < 50 && again < 0; ++i) {
        CHECK_FALSE(connection.take_finished(nullptr));
        again = accept_for(100);
    }
    CHECK(again >= 0);
    close(again);
    close(listening_socket);
}

TEST_CASE("tier 2: the server knows its answers", "[tier2]") {
    tier2_server::KnownAnswers known;
    const auto key_of = [](const std::vector<u8>& request) {
        return tier2_server::KnownAnswers::key_of(request);
    };
    const auto request = key_of({1, 2, 3}), other = key_of({1, 2, 4});
    CHECK(known.find(request) == nullptr);
    runtime::CompileAnswer answer;
    answer.refusal = "operation";
    answer.nanoseconds = 17;
    known.add(request, answer);
    REQUIRE(known.find(request) != nullptr);
    CHECK(known.find(other) == nullptr);
    runtime::CompileAnswer again;
    REQUIRE(decode(*known.find(request), again));
    CHECK((again.refusal == "operation" && again.nanoseconds == 0));
    // More than it keeps: what came last is there.
    answer.text.assign(20u << 20, 'x');
    for (u8 i = 0; i < 10; ++i) {
        known.add(key_of({i}), answer);
        CHECK(known.find(key_of({i})) != nullptr);
    }
    CHECK(known.find(request) == nullptr);
}

TEST_CASE("tiering: hot code becomes a region while it runs", "[tier2][tiering]") {
    GuestArea area{4u << 20};
    TieredEngine engine(area, TierTwoPolicy::Hot);
    GuestCpu cpu{*engine};
    // Blocks enough for the sampler to start (none goes beyond its page), then a loop that runs for
    // as long as it takes.
    constexpr u32 kPage = 4096, kBlocks = 250;
    for (u32 i = 0; i < kBlocks; ++i) {
        area.put(0x10000 + i * kPage, {b(kPage / 4)});
    }
    area.put(0x10000 + kBlocks * kPage, {kSvc});
    REQUIRE(cpu.run(area.at(0x10000)) == ExitReason::Svc);
    put_sum_with_call(area);
    u64 rounds = 0;
    for (; engine.regions() == 0 && rounds < 1000; ++rounds) {
        const u64 n = 10'000'000;
        cpu->x[0] = n;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        REQUIRE(cpu->x[0] == n * (n + 1) / 2);
    }
    CHECK(engine.regions() >= 1);
    CHECK(engine.statistic("samples of where time is spent") >= 1);
    // Without its own thread there are no more samples, and all goes on.
    engine->stop_own_threads();
    cpu->x[0] = 1000;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 500500);
}

TEST_CASE("tiering: a region goes with the code it was made from", "[tier2][tiering]") {
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always);
    GuestCpu cpu{*engine};
    put_sum_with_call(area);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 5050);
    area.put(20, {add(1, 1, 2)}); // in the function that is called
    engine->invalidate(area.at(20), 4);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 200);
    area.put(8, {subs(0, 0, 2)}); // in the loop
    engine->invalidate(area.at(8), 4);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 100);
}

TEST_CASE("tiering: faults in regions are precise, and can be repaired", "[tier2][tiering]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always);
    GuestCpu cpu{*engine};
    area.put(0, {movz(2, 1), add(3, 3, 5), ldr(4, 1), add(3, 3, 6), movz(2, 2), kSvc});
    area.cell(0x8000) = 77;
    for (unsigned i = 0; i < 3; ++i) {
        cpu->x[1] = 0x1000;
        cpu->x[3] = 10;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Fault);
        CHECK(cpu->pc == area.at(8));
        CHECK(cpu->x[2] == 1);
        CHECK(cpu->x[3] == 15);
        cpu->x[1] = area.at(0x8000);
        REQUIRE(cpu.run(cpu->pc) == ExitReason::Svc);
        CHECK(cpu->x[4] == 77);
        CHECK(cpu->x[3] == 21);
    }
}

TEST_CASE("tiering: tagged pointers in regions", "[tier2][tiering]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always);
    GuestCpu cpu{*engine};
    area.put(0, {ldr(4, 1), kSvc});
    area.cell(0x8000) = 78;
    for (unsigned i = 0; i < 3; ++i) {
        cpu->x[1] = area.at(0x8000) | u64{0x5a} << 56;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->x[4] == 78);
        cpu->x[4] = 0;
    }
}

TEST_CASE("tiering: a forked child has its parent's regions, and makes its own",
          "[tier2][tiering]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    TieredEngine engine(area, TierTwoPolicy::Always);
    GuestCpu cpu{*engine};
    put_sum_with_call(area);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    engine->before_fork();
    const pid_t pid = fork();
    engine->after_fork(pid == 0);
    if (pid == 0) {
        cpu->x[0] = 1000;
        bool good = cpu.run(area.at(0)) == ExitReason::Svc && cpu->x[0] == 500500;
        area.put(0x1000, {add(0, 0, 1), kSvc});
        good = good && cpu.run(area.at(0x1000)) == ExitReason::Svc && cpu->x[0] == 500501;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    cpu->x[0] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 5050);
}

TEST_CASE("tier 2: what was seen of a request's code stays as it was", "[tier2]") {
    std::vector<runtime::CodePage> pages(2);
    for (u32 i = 0; i < 2; ++i) {
        pages[i] = {0x1000 + 0x1000 * i, i, i == 1, {}};
        for (u32 word = 0; word < 1024; ++word) {
            std::memcpy(pages[i].bytes + word * 4, &word, sizeof word);
        }
    }
    runtime::RequestedCode code{pages};
    // A block, then what its backward and forward branches look at for the flags.
    const auto block = code.words(0x1800), before = code.words(0x1000), next = code.words(0x2ffc);
    CHECK((block.size() == 512 && before.size() == 1024 && next.size() == 1));
    CHECK((block[0] == 512 && block[511] == 1023 && before[0] == 0 && next[0] == 1023));
    CHECK((code.words(0x3000).empty() && code.words(0x1002).empty()));
    CHECK((!code.guarded_word(0x1800) && code.guarded_word(0x2008) == 2u));
    CHECK((code.page_of(0x1800) == 0u && code.page_of(0x2008) == 1u && !code.page_of(0x3000)));
}

TEST_CASE("tiering: messages survive the way there and back", "[tier2][tiering]") {
    runtime::CompileRequest request;
    request.cpu = frontend::default_cpu();
    request.mode = {0x1234};
    request.mask_tags = true;
    request.max_instructions = 17;
    request.blocks = {0x1000, 0x2000};
    request.indirect_targets = {{0x1000, 0x2000}};
    request.pages.push_back({0x1000, 5, true, {1, 2, 3}});
    std::vector<u8> bytes = encode(request);
    runtime::CompileRequest same;
    REQUIRE(decode(bytes, same));
    CHECK(encode(same) == bytes);
    CHECK((same.pages[0].number == 5 && same.pages[0].bytes[2] == 3));

    runtime::CompileAnswer answer;
    answer.refusal = "operation";
    answer.text = "text";
    answer.code.code = {0x90, 0x90, 0x90, 0x90, 0xc3};
    answer.code.links = {{0, 4, 0x5000}};
    answer.code.faults = {{1, 0}};
    answer.code.guest_pcs = {0x1000};
    bytes = encode(answer);
    runtime::CompileAnswer same_answer;
    REQUIRE(decode(bytes, same_answer));
    CHECK(encode(same_answer) == bytes);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) { // never out of bounds
        CHECK_FALSE(decode(std::span(bytes).first(cut), same_answer));
    }
    answer.code.links[0].displacement_offset = 2;
    CHECK_FALSE(decode(encode(answer), same_answer));
}
