// Tier 2 in an engine of a whole machine: where regions of one page and of several go on.
#include <chrono>
#include <map>

#include "ir/block_key.h"
#include "tests/support/local_compile_service.h"
#include "tests/unit/runtime_guest.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::BlockMode;
using ir::ExitReason;
using runtime::TierTwoPolicy;

namespace {

constexpr u64 kPage = 4096;
constexpr GuestAddr kCode = 0xffff'8000'0001'0000, kFunctions = 0xffff'8000'0004'0000,
                    kData = 0xffff'8000'0009'0000;

// Pages of memory, which is physical, at virtual addresses.
class Mapped final : public frontend::CodeSource {
  public:
    explicit Mapped(GuestArea& area) : area_{area} {}
    void map(GuestAddr page, u64 number) { pages_[page] = number; }
    void unmap(GuestAddr page) { pages_.erase(page); }

    [[nodiscard]] std::optional<u64> page_of(GuestAddr pc) override {
        const auto found = pages_.find(align_down(pc, kPage));
        return found != pages_.end() ? std::optional{found->second} : std::nullopt;
    }
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        const auto number = page_of(pc);
        return number ? area_.words(area_.at(*number * kPage + pc % kPage))
                      : std::span<const u32>{};
    }

  private:
    GuestArea& area_;
    std::map<GuestAddr, u64> pages_;
};

// A machine of one CPU above EL0 whose data is one page.
class TieredMachine {
  public:
    explicit TieredMachine(TierTwoPolicy policy) : service_{make_local_compile_service()} {
        runtime::EngineConfig config;
        config.code = &code;
        config.translate.system = true;
        config.tier2 = service_.get();
        config.tier2_policy = policy;
        std::string why_not;
        engine_ = runtime::Engine::create(config, why_not);
        REQUIRE(engine_ != nullptr);
        cpu_ = engine_->new_thread();
        cpu_->mode_bits = BlockMode::level_bits(1);
        for (std::size_t index = 0; index < ir::kTlbEntries; ++index) {
            tlb_->read[index] = tlb_->write[index] = ir::no_tlb_page(index);
        }
        cpu_->tlb[0] = cpu_->tlb[1] = tlb_.get();
        cpu_->find_host_address =
            reinterpret_cast<u64>(static_cast<ir::FindHostAddress>(find_nothing));
        const std::size_t index = ir::tlb_index(kData);
        tlb_->read[index] = tlb_->write[index] = kData;
        tlb_->addend[index] = area.at(kDataPage * kPage) - kData;
        code.map(kCode, 1);
    }
    ~TieredMachine() { engine_->delete_thread(cpu_); }

    // Until it wants something of the machine: SVC, or an access.
    ExitReason run(GuestAddr pc) {
        cpu_->pc = pc;
        running = {engine_.get(), cpu_};
        return engine_->run(*cpu_);
    }
    [[nodiscard]] u64 statistic(const std::string& name) const {
        return statistic_of(*engine_, name);
    }
    ir::CpuState* operator->() { return cpu_; }
    runtime::Engine& engine() { return *engine_; }
    // Its pages of code are elsewhere from now on.
    void moved() { engine_->forget_code_addresses(*cpu_, true, 0); }

    static constexpr u64 kDataPage = 9;
    GuestArea area{1u << 20};
    Mapped code{area};

  private:
    static u64 find_nothing(ir::CpuState&, u64, u64) { return 0; }

    std::unique_ptr<ir::Tlb> tlb_ = std::make_unique<ir::Tlb>();
    std::unique_ptr<runtime::CompileService> service_;
    std::unique_ptr<runtime::Engine> engine_;
    ir::CpuState* cpu_ = nullptr;
};

// x1 = the sum of what the function in another page makes of x0, x0 - 1, ... 1.
void put_far_call(TieredMachine& machine) {
    constexpr i32 kWords = static_cast<i32>((kFunctions - kCode) / 4);
    machine.area.put(kPage, {movz(1, 0), bl(kWords - 1), subs(0, 0, 1), b_ne(-2), kSvc});
    for (const u64 page : {u64{2}, u64{3}}) { // adds as many times as the page says
        machine.area.put(page * kPage,
                         {add_reg(1, 1, 0), page == 3 ? add_reg(1, 1, 0) : kNop, kRet});
    }
    machine.code.map(kFunctions, 2);
}

u64 sum_to(u64 n) { return n * (n + 1) / 2; }

} // namespace

TEST_CASE("tier 2: a machine's loop over memory", "[tier2][machine]") {
    TieredMachine machine{TierTwoPolicy::Always};
    // x1 = sum of the cells from x2 on, x0 of them, by a function.
    machine.area.put(kPage, {movz(1, 0), bl(5), add(2, 2, 8), subs(0, 0, 1), b_ne(-3), kSvc,
                             ldr(3, 2), add_reg(1, 1, 3), str(1, 2), kRet});
    for (unsigned i = 0; i < 100; ++i) {
        for (u64 cell = 0; cell < 10; ++cell) {
            machine.area.cell(TieredMachine::kDataPage * kPage + 0x100 + cell * 8) = cell + i;
        }
        machine->x[0] = 10;
        machine->x[2] = kData + 0x100;
        REQUIRE(machine.run(kCode) == ExitReason::System);
        CHECK(machine->pc == kCode + 20);
        CHECK(machine->x[1] == 45 + 10 * i);
        CHECK(machine.area.cell(TieredMachine::kDataPage * kPage + 0x148) == 45 + 10 * i);
    }
    CHECK(machine.statistic("regions installed") >= 2);
    CHECK(machine.statistic("regions that tier 2 refused") == 0);
    // An access without a place: the state is that of its instruction.
    machine->x[0] = 10;
    machine->x[2] = kData + kPage - 16;
    machine.area.cell(TieredMachine::kDataPage * kPage + kPage - 16) = 3;
    machine.area.cell(TieredMachine::kDataPage * kPage + kPage - 8) = 4;
    REQUIRE(machine.run(kCode) == ExitReason::MemoryAccess);
    CHECK(machine->pc == kCode + 24);
    CHECK((machine->x[0] == 8 && machine->x[1] == 7 && machine->x[2] == kData + kPage));
}

TEST_CASE("tier 2: a machine's region goes on in a page where it was, and nowhere else",
          "[tier2][machine]") {
    TieredMachine machine{TierTwoPolicy::Hot};
    constexpr u32 kBlocks = 250; // enough for the sampler to start
    for (u32 i = 0; i < kBlocks; ++i) {
        const GuestAddr page = kCode + (i + 100) * kPage;
        machine.code.map(page, 20 + i % 100);
        machine.area.put((20 + i % 100) * kPage, {b(kPage / 4)});
    }
    machine.code.map(kCode + (kBlocks + 100) * kPage, 150);
    machine.area.put(150 * kPage, {kSvc});
    REQUIRE(machine.run(kCode + 100 * kPage) == ExitReason::System);
    put_far_call(machine);
    const auto sum = [&](u64 n) {
        machine->x[0] = n;
        REQUIRE(machine.run(kCode) == ExitReason::System);
        REQUIRE(machine->pc == kCode + 16);
        return machine->x[1];
    };
    // The compiler runs when nobody else does, which may take a while.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{4};
    while (machine.statistic("regions installed") == 0 &&
           std::chrono::steady_clock::now() < deadline) {
        REQUIRE(sum(10'000'000) == sum_to(10'000'000));
    }
    REQUIRE(machine.statistic("regions installed") >= 1);
    CHECK(sum(1000) == sum_to(1000));
    for (unsigned i = 0; i < 3; ++i) {
        machine.code.map(kFunctions, 3); // another function is there
        machine.moved();
        CHECK(sum(100) == 2 * sum_to(100));
        machine.code.unmap(kFunctions);
        machine.moved();
        machine->x[0] = 100;
        CHECK(machine.run(kCode) == ExitReason::FetchFault);
        CHECK(machine->pc == kFunctions);
        CHECK((machine->x[0] == 100 && machine->x[30] == kCode + 8));
        machine.code.map(kFunctions, 2);
        machine.moved();
        CHECK(sum(1000) == sum_to(1000));
    }
    // When it is elsewhere all the time, tier 1 takes the region's place.
    const u64 invalidated = machine.statistic("blocks invalidated");
    machine.code.map(kFunctions, 3);
    machine.moved();
    CHECK(sum(2000) == 2 * sum_to(2000));
    CHECK(machine.statistic("blocks invalidated") > invalidated);
    machine.code.map(kFunctions, 2);
    machine.moved();
    CHECK(sum(1000) == sum_to(1000));
    // What is written there is seen once the caches are told, by physical address.
    machine.area.put(2 * kPage, {add(1, 1, 5)});
    machine.engine().invalidate(2 * kPage, 4);
    CHECK(sum(1000) == 5000);
}
