// One case on every engine and oracle: do they agree?
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/fuzz/oracle_peer.h"
#include "tests/fuzz/oracle_vixl.h"
#include "tests/insn/executors.h"
#include "tests/insn/line.h"

namespace ulna::fuzz {

// What the fuzzer does not compare: exclusions.txt. Words of a row, all or those with a condition.
class Exclusions {
  public:
    enum Who { Generator, Vixl, Peer, kWhoCount };
    // False with a line of the file that makes no sense.
    [[nodiscard]] bool read(const std::string& path, std::string& why_not);
    // Rows that are excluded altogether.
    [[nodiscard]] std::vector<std::string> rows(Who who) const;
    struct Situation {
        bool faults = false;    // the run ended in a fault of this word
        bool alternate = false; // with FPCR.AH
        bool other_keys = true; // keys of pointer authentication are not the same
    };
    [[nodiscard]] bool
    excludes(Who who, u32 word, frontend::FeatureSet features, Situation situation) const;

  private:
    struct Condition { // a field is `value`, or when other_mask is not zero, the other field
        u32 mask = 0, other_mask = 0, value = 0;
        unsigned lsb = 0, other_lsb = 0;
        bool only_faults = false, only_alternate = false, only_other_keys = false;
    };
    std::map<unsigned, std::vector<Condition>> rows_[kWhoCount]; // by index into encodings()
};

// Why an oracle has no say.
enum class Unjudged : u8 {
    PeerFeature,   // the peer's CPU has a feature that ours lacks: SIGILL here
    PeerAlignment, // it has FEAT_LSE2, ours not: SIGBUS here
    PeerRow,       // exclusions.txt, or what depends on sizes of cache lines
    PeerSp,        // it does not check the alignment of SP
    PeerAddress,   // a fault where the peer has something else, or cannot tell the address
    PeerFailed,    // the process died or hung
    VixlMode,      // FPCR is not zero, or the case ends in an exception
    VixlRow,       // exclusions.txt, or the simulator aborts
    Count,
};
[[nodiscard]] const char* unjudged_name(Unjudged reason);

struct Counters {
    u64 programs, runs, executed, endless;
    u64 compared_engines[5], compared_vixl, compared_peer;
    u64 unjudged[static_cast<unsigned>(Unjudged::Count)];
    u64 differences;
    u64 rows[2048]; // executed, by index into encodings()
};

struct Difference {
    std::string what; // empty: none
    insn::Outcome expected;
};

class Judge {
  public:
    struct Options {
        const frontend::CpuModel* cpu = nullptr;
        bool vixl = true;
        bool tier2 = false;            // the engine that make_tier2_engine() makes, too
        std::vector<std::string> peer; // emulator and arguments; empty: none
        std::string harness;
        Exclusions exclusions;
        bool adopt_peer_ids = true; // CTR_EL0 and DCZID_EL0 read as the peer's
        bool peer_keys = false;     // sign with the keys of a peer started with kPeerSeed
    };
    Judge(Options options, Counters& counters);
    [[nodiscard]] bool ready(std::string& why_not);

    // A batch: programs in slots, runs in windows of rich_memory().
    struct Run {
        unsigned program;
        MachineState state; // with pointers into slot 0 and window 0
    };
    struct Found {
        unsigned run;
        std::string what;
    };
    [[nodiscard]] std::vector<Found> check_batch(std::span<const MachineProgram> programs,
                                                 std::span<const Run> runs);

    // Before and after batches of one wild program and one run each.
    void allow_only_first_window(bool only);

    // One case in slot 0 and window 0. `base`, when given, receives what the stepper computes.
    [[nodiscard]] Difference check(const insn::Case& test, insn::Outcome* base = nullptr);
    // The stepper alone; false: it does not end.
    [[nodiscard]] bool step(const insn::Case& test, insn::Outcome& out);
    [[nodiscard]] insn::Stepper& stepper() { return *stepper_; }
    // Which oracles had a say in the last check().
    [[nodiscard]] bool peer_judged() const { return peer_judged_; }
    [[nodiscard]] bool vixl_judged() const { return vixl_judged_; }

  private:
    [[nodiscard]] bool touches(const MachineProgram& program,
                               Exclusions::Who who,
                               const MachineState& in,
                               const MachineResult& result) const;
    [[nodiscard]] std::string engines_differ(unsigned slot,
                                             unsigned window,
                                             const MachineState& in,
                                             const u8* memory,
                                             const insn::Outcome& base);
    [[nodiscard]] std::string vixl_differs(const MachineProgram& program,
                                           unsigned slot,
                                           unsigned window,
                                           const MachineState& in,
                                           const u8* memory,
                                           const insn::Outcome& base,
                                           insn::Outcome* theirs);
    [[nodiscard]] std::string peer_differs(const MachineProgram& program,
                                           const MachineState& in,
                                           const insn::Outcome& base,
                                           insn::Outcome& theirs);
    void forget_partial_loads(const MachineProgram& program,
                              const MachineResult& base,
                              MachineResult& theirs) const;
    void unjudged(Unjudged reason) { ++counters_.unjudged[static_cast<unsigned>(reason)]; }
    void adopt_peer_keys();
    void install(unsigned slot, const MachineProgram& program);

    Options options_;
    Counters& counters_;
    frontend::CpuModel cpu_;
    std::unique_ptr<insn::Stepper> stepper_;
    std::vector<std::unique_ptr<insn::Executor>> engines_;
    std::unique_ptr<VixlOracle> vixl_;
    std::unique_ptr<Peer> peer_;
    std::string why_not_;
    std::vector<insn::Outcome> base_;
    insn::Outcome other_;
    bool peer_judged_ = false, vixl_judged_ = false;
};

// Moves pointers of a generated state from slot 0 and window 0, or back.
[[nodiscard]] MachineState relocated(MachineState state, unsigned slot, unsigned window);

} // namespace ulna::fuzz
