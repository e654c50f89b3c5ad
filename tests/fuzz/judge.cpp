#include "tests/fuzz/judge.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <sys/mman.h>

#include "frontend/a64/decoder.h"
#include "tests/fuzz/generator.h"
#include "tests/fuzz/peer_keys.h"

namespace ulna::fuzz {

using insn::Case;
using insn::Machine;
using insn::Outcome;

namespace {

// Without Rt, bits 4:0.
constexpr u32 kDcZva = 0xd50b7420, kDcGzva = 0xd50b7480, kMrsCtr = 0xd53b0020,
              kMrsDczid = 0xd53b00e0;
constexpr u64 kOurZeroBlock = 4; // DCZID_EL0.BS: words, log2

void fill_windows(Peer* peer) {
    const auto& content = rich_memory();
    for (unsigned i = 0; i < kRuns; ++i) {
        Machine::get().fill(i, content);
        if (peer != nullptr) {
            std::memcpy(peer->window(i), content.data(), kWindowBytes);
        }
    }
}

} // namespace

const char* unjudged_name(Unjudged reason) {
    switch (reason) {
    case Unjudged::PeerFeature:
        return "peer: a feature that this CPU model lacks";
    case Unjudged::PeerAlignment:
        return "peer: FEAT_LSE2, which this CPU model lacks; misaligned store-exclusive that fails";
    case Unjudged::PeerRow:
        return "peer: excluded row";
    case Unjudged::PeerSp:
        return "peer: an access by a misaligned SP, which it does not check";
    case Unjudged::PeerAddress:
        return "peer: a fault beyond the memory that both have";
    case Unjudged::PeerFailed:
        return "peer: died or hung";
    case Unjudged::VixlMode:
        return "vixl: FPCR mode, exception or misaligned SP";
    case Unjudged::VixlRow:
        return "vixl: excluded or unimplemented row";
    case Unjudged::Count:
        break;
    }
    return "?";
}

bool Exclusions::read(const std::string& path, std::string& why_not) {
    const auto rows = rows_of(frontend::default_cpu());
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line.substr(0, line.find('#'))};
        std::string name, condition_text;
        if (!(words >> name)) {
            continue;
        }
        why_not = path + ": " + line;
        Who who = Generator;
        if (const auto colon = name.find(':'); colon != name.npos) {
            const std::string oracle = name.substr(0, colon);
            who = oracle == "vixl" ? Vixl : Peer;
            if (who == Peer && oracle != "peer") {
                return false;
            }
            name = name.substr(colon + 1);
        }
        Condition condition;
        words >> condition_text;
        condition.only_faults = condition_text == "faults";
        condition.only_alternate = condition_text == "ah";
        condition.only_other_keys = condition_text == "keys";
        const bool is_word =
            condition.only_faults || condition.only_alternate || condition.only_other_keys;
        const auto equals = condition_text.find('=');
        if (!condition_text.empty() && !is_word &&
            (name[0] == '@' || equals == std::string::npos)) {
            return false;
        }
        if (name[0] == '@') { // all rows of a feature
            const auto before = rows_[who].size();
            for (const Row& row : rows) {
                if (frontend::feature_names({row.info->feature}) == " " + name.substr(1)) {
                    rows_[who][row.index].push_back(condition);
                }
            }
            if (rows_[who].size() == before) {
                return false;
            }
            continue;
        }
        const auto row = std::ranges::find_if(rows, [&](const Row& r) { return r.name() == name; });
        if (row == rows.end()) {
            return false;
        }
        if (equals != condition_text.npos) {
            const std::string right = condition_text.substr(equals + 1);
            const Field* const left = row->field(condition_text.substr(0, equals));
            const Field* const other = row->field(right);
            if (left == nullptr || right.empty() ||
                (other == nullptr && !std::isdigit(static_cast<unsigned char>(right[0])))) {
                return false;
            }
            condition.mask = (1u << left->width) - 1;
            condition.lsb = left->lsb;
            if (other != nullptr) {
                condition.other_mask = (1u << other->width) - 1;
                condition.other_lsb = other->lsb;
            } else {
                condition.value = static_cast<u32>(std::stoul(right));
            }
        }
        rows_[who][row->index].push_back(condition);
    }
    why_not.clear();
    return true;
}

std::vector<std::string> Exclusions::rows(Who who) const {
    std::vector<std::string> names;
    for (const auto& [index, conditions] : rows_[who]) {
        if (std::ranges::any_of(conditions, [](const Condition& c) {
                return c.mask == 0 && !c.only_faults && !c.only_alternate && !c.only_other_keys;
            })) {
            names.emplace_back(frontend::encodings()[index].name);
        }
    }
    return names;
}

bool Exclusions::excludes(Who who,
                          u32 word,
                          frontend::FeatureSet features,
                          Situation situation) const {
    const auto* const encoding = frontend::decode(word, features);
    const auto found = encoding == nullptr ? rows_[who].end() : rows_[who].find(encoding->index);
    return found != rows_[who].end() && std::ranges::any_of(found->second, [&](const Condition& c) {
               const u32 value = word >> c.lsb & c.mask;
               return (situation.faults || !c.only_faults) &&
                      (situation.alternate || !c.only_alternate) &&
                      (situation.other_keys || !c.only_other_keys) &&
                      value == (c.other_mask != 0 ? word >> c.other_lsb & c.other_mask : c.value);
           });
}

MachineState relocated(MachineState state, unsigned slot, unsigned window) {
    constexpr unsigned kPointers[] = {25, 27, 28};
    const u64 by = u64{window} * kWindowStride;
    for (const unsigned reg : kPointers) {
        state.x[reg] += by;
    }
    state.sp += by;
    state.x[23] += u64{slot} * kCodeBytes;
    return state;
}

Judge::Judge(Options options, Counters& counters)
    : options_{std::move(options)}, counters_{counters}, cpu_{*options_.cpu} {
    if (!options_.peer.empty()) {
        peer_ = Peer::create(options_.peer, options_.harness, why_not_);
    }
    if (peer_ != nullptr && options_.adopt_peer_ids) {
        cpu_.ctr_el0 = peer_->batch().ctr;
        cpu_.dczid_el0 = peer_->batch().dczid;
    }
    if (options_.peer_keys) {
        adopt_peer_keys();
    }
    stepper_ = std::make_unique<insn::Stepper>(cpu_);
    std::string why;
    engines_ = insn::make_engines(cpu_, why);
    if (options_.tier2) {
        if (auto tier2 = insn::make_tier2_engine(cpu_, why)) {
            engines_.push_back(std::move(tier2));
        }
    }
    why_not_ += why;
    if (options_.vixl) {
        vixl_ = std::make_unique<VixlOracle>();
    }
    fill_windows(peer_.get());
    base_.resize(kRuns);
}

void Judge::adopt_peer_keys() {
    const MachineBatch* const batch = peer_ == nullptr ? nullptr : &peer_->batch();
    if (batch == nullptr || !std::ranges::equal(batch->random, kPeerRandom)) {
        why_not_ += "the peer's keys are not those that are expected with --pauth";
        return;
    }
    insn::set_pac_keys(kPeerKeys);
}

bool Judge::ready(std::string& why_not) {
    why_not = why_not_;
    return why_not_.empty();
}

bool Judge::touches(const MachineProgram& program,
                    Exclusions::Who who,
                    const MachineState& in,
                    const MachineResult& result) const {
    constexpr u64 kAh = 1 << 1;
    const u64 fault = result.signal == 0 ? ~u64{0} : (result.pc - MACHINE_CODE) % kCodeBytes / 4;
    const bool alternate = ((in.fpcr | in.x[kFpcrValue] | result.state.fpcr) & kAh) != 0;
    for (unsigned i = 0; i < program.count; ++i) {
        if (options_.exclusions.excludes(who, program.words[i], cpu_.features,
                                         {.faults = i == fault,
                                          .alternate = alternate,
                                          .other_keys = !options_.peer_keys})) {
            return true;
        }
    }
    return false;
}

void Judge::install(unsigned slot, const MachineProgram& program) {
    Machine::get().install(slot, program);
    stepper_->program_changed(slot);
    for (const auto& engine : engines_) {
        engine->program_changed(slot);
    }
}

std::string Judge::engines_differ(
    unsigned slot, unsigned window, const MachineState& in, const u8* memory, const Outcome& base) {
    for (std::size_t i = 0; i < engines_.size(); ++i) {
        static_cast<void>(engines_[i]->run(slot, in, other_.result));
        collect_changes(Machine::window(window), memory, other_.memory);
        ++counters_.compared_engines[i];
        if (const auto what = difference(base, other_, {}); !what.empty()) {
            return std::string{"step / "} + engines_[i]->name() + ": " + what;
        }
    }
    return "";
}

std::string Judge::vixl_differs(const MachineProgram& program,
                                unsigned slot,
                                unsigned window,
                                const MachineState& in,
                                const u8* memory,
                                const Outcome& base,
                                Outcome* theirs) {
    vixl_judged_ = false;
    if (vixl_ == nullptr) {
        return "";
    }
    constexpr u64 kDefaultNan = u64{1} << 25;
    const bool misaligned_sp =
        ((in.sp | base.result.state.sp) & 15) != 0; // it checks, others don't
    if (base.result.signal != 0 || misaligned_sp ||
        ((in.fpcr | base.result.state.fpcr) & ~kDefaultNan) != 0) {
        unjudged(Unjudged::VixlMode);
        return "";
    }
    if (touches(program, Exclusions::Vixl, in, base.result)) {
        unjudged(Unjudged::VixlRow);
        return "";
    }
    Outcome local;
    Outcome& other = theirs != nullptr ? *theirs : local;
    const bool judged = vixl_->run(slot, in, other.result);
    collect_changes(Machine::window(window), memory, other.memory);
    if (!judged) {
        unjudged(Unjudged::VixlRow);
        return "";
    }
    vixl_judged_ = true;
    ++counters_.compared_vixl;
    const auto what = difference(base, other, {.fpsr = false});
    return what.empty() ? "" : "step / vixl: " + what;
}

// Registers that a load of several registers had loaded before it faulted are UNKNOWN (DDI 0487
// D1.3.4.2): here they keep their values, the peer has loaded some.
void Judge::forget_partial_loads(const MachineProgram& program,
                                 const MachineResult& base,
                                 MachineResult& theirs) const {
    const u64 index = (base.pc - MACHINE_CODE) % kCodeBytes / 4;
    if (base.signal != SIGSEGV || index >= program.count) {
        return;
    }
    const u32 word = program.words[index];
    const unsigned Rt = word & 31, Rt2 = word >> 10 & 31;
    const auto forget_v = [&](unsigned n) {
        std::memcpy(&theirs.state.v[2 * n], &base.state.v[2 * n], 16);
    };
    if ((word & 0xbe000000) == 0x0c000000) { // structures
        for (unsigned i = 0; i < 4; ++i) {
            forget_v((Rt + i) % 32);
        }
    } else if ((word & 0x3e000000) == 0x2c000000) { // pairs
        forget_v(Rt);
        forget_v(Rt2);
    } else if ((word & 0x3e000000) == 0x28000000) {
        for (const unsigned n : {Rt, Rt2}) {
            if (n < 31) {
                theirs.state.x[n] = base.state.x[n];
            }
        }
    }
}

namespace {
bool is_beyond_machine(u64 address) {
    constexpr u64 kEnd = MACHINE_DATA + u64{kRuns} * kWindowStride;
    return address < MACHINE_LEAVE - kWindowStride || address >= kEnd;
}
// The word at `pc` if it is a store-exclusive, or 0.
u32 store_exclusive_at(const MachineProgram& program, u64 pc) {
    const u64 index = (pc - MACHINE_CODE) % kCodeBytes / 4;
    const u32 word = index < program.count ? program.words[index] : 0;
    return (word & 0x3fc0'0000) == 0x0800'0000 ? word : 0;
}
// The peer faults where memory of ours is, which the engines may have changed for one another. A
// sanitizer's shadow is an eighth of all addresses.
bool faults_at_our_memory(const MachineResult& peer) {
    constexpr u64 kPageBytes = 4096;
    unsigned char resident;
    return peer.signal == SIGSEGV && is_beyond_machine(peer.address) &&
           mincore(reinterpret_cast<void*>(peer.address & ~(kPageBytes - 1)), 1, &resident) == 0;
}
} // namespace

std::string Judge::peer_differs(const MachineProgram& program,
                                const MachineState& in,
                                const Outcome& base,
                                Outcome& theirs) {
    peer_judged_ = false;
    forget_partial_loads(program, base.result, theirs.result);
    const MachineResult &a = base.result, &b = theirs.result;
    const bool same_end = a.signal == b.signal && a.pc == b.pc;
    if (a.signal == SIGILL && !same_end) {
        unjudged(Unjudged::PeerFeature);
        return "";
    }
    if (a.signal == SIGBUS && a.state.sp % 16 != 0 && a.address == a.state.sp) {
        unjudged(Unjudged::PeerSp);
        return "";
    }
    bool own_size = false; // of cache lines and zeroed blocks
    for (unsigned i = 0; i < program.count; ++i) {
        const u32 word = program.words[i] & ~31u;
        own_size |=
            ((word == kDcZva || word == kDcGzva) && peer_->batch().dczid != kOurZeroBlock) ||
            (word == kMrsCtr && peer_->batch().ctr != cpu_.ctr_el0) ||
            (word == kMrsDczid && peer_->batch().dczid != cpu_.dczid_el0);
    }
    if (own_size || touches(program, Exclusions::Peer, in, base.result)) {
        unjudged(Unjudged::PeerRow);
        return "";
    }
    // Beyond the machine's memory the two processes differ: the peer has the harness there, and its
    // host reports addresses above the user half without address or not at all.
    if ((a.signal == SIGSEGV && is_beyond_machine(a.address) &&
         (!same_end || a.code != b.code || (a.address >> 47) != 0)) ||
        (!same_end && faults_at_our_memory(b))) {
        unjudged(Unjudged::PeerAddress);
        return "";
    }
    const auto what =
        difference(base, theirs, {.nzcv_at_fault = true, .other_splits_accesses = true});
    // Whether the monitor or the alignment is looked at first is IMPLEMENTATION DEFINED (DDI 0487,
    // AArch64.ExclusiveMonitorsPass): here it is the alignment.
    if (a.signal == SIGBUS && !what.empty() &&
        (store_exclusive_at(program, a.pc) != 0 || !cpu_.features.has(frontend::Feature::LSE2))) {
        unjudged(Unjudged::PeerAlignment);
        return "";
    }
    // Its mark for no reservation is the address 2^64 - 1: a store there passes the monitor, and
    // faults.
    const u32 store = store_exclusive_at(program, b.pc), Rn = store >> 5 & 31;
    if (b.signal == SIGSEGV && !what.empty() && store != 0 && Rn < 31 && b.state.x[Rn] == ~u64{0}) {
        unjudged(Unjudged::PeerAddress);
        return "";
    }
    peer_judged_ = true;
    ++counters_.compared_peer;
    return what.empty() ? "" : "step / peer: " + what;
}

std::vector<Judge::Found> Judge::check_batch(std::span<const MachineProgram> programs,
                                             std::span<const Run> runs) {
    const u8* const memory = rich_memory().data();
    for (unsigned i = 0; i < programs.size(); ++i) {
        install(i, programs[i]);
    }
    counters_.programs += programs.size();
    // The stepper first: it finds programs that do not end, which nobody else shall run.
    std::vector<unsigned> ended;
    std::vector<MachineState> states(runs.size());
    for (unsigned i = 0; i < runs.size(); ++i) {
        states[i] = relocated(runs[i].state, runs[i].program, i);
        const bool ends = stepper_->run(runs[i].program, states[i], base_[i].result);
        collect_changes(Machine::window(i), memory, base_[i].memory);
        if (ends) {
            ended.push_back(i);
        } else {
            ++counters_.endless;
        }
    }
    if (peer_ != nullptr) {
        MachineBatch& batch = peer_->batch();
        batch.program_count = static_cast<u32>(programs.size());
        batch.run_count = static_cast<u32>(ended.size());
        std::memcpy(batch.programs, programs.data(), programs.size_bytes());
        for (unsigned n = 0; n < ended.size(); ++n) {
            batch.runs[n].program = runs[ended[n]].program;
            batch.runs[n].in = states[ended[n]];
        }
        peer_->start();
    }
    std::vector<Found> found;
    for (const unsigned i : ended) {
        ++counters_.runs;
        const unsigned slot = runs[i].program;
        std::string what = engines_differ(slot, i, states[i], memory, base_[i]);
        if (what.empty()) {
            what = vixl_differs(programs[slot], slot, i, states[i], memory, base_[i], nullptr);
        }
        if (!what.empty()) {
            found.push_back({i, what});
        }
    }
    if (peer_ != nullptr) {
        if (!peer_->wait()) {
            unjudged(Unjudged::PeerFailed);
            fill_windows(peer_.get());
            return found;
        }
        for (unsigned n = 0; n < ended.size(); ++n) {
            const unsigned i = ended[n];
            other_.result = peer_->batch().runs[n].out;
            if (faults_at_our_memory(other_.result)) {
                std::erase_if(found, [&](const Found& f) { return f.run == i; });
            }
            collect_changes(peer_->window(i), memory, other_.memory);
            const auto what = peer_differs(programs[runs[i].program], states[i], base_[i], other_);
            if (!what.empty()) {
                found.push_back({i, what});
            }
        }
    }
    return found;
}

void Judge::allow_only_first_window(bool only) {
    Machine::get().allow_only_first_window(only);
    if (peer_ != nullptr) {
        peer_->batch().only_first_window = only; // from its next batch on
    }
}

bool Judge::step(const Case& test, Outcome& out) {
    install(0, test.program);
    Machine::get().fill(0, test.memory);
    const bool ends = stepper_->run(0, test.state, out.result);
    collect_changes(Machine::window(0), test.memory.data(), out.memory);
    Machine::get().fill(0, rich_memory());
    return ends;
}

Difference Judge::check(const Case& test, Outcome* base_out) {
    Outcome base, theirs;
    if (!step(test, base)) {
        return {};
    }
    if (base_out != nullptr) {
        *base_out = base;
    }
    Machine::get().fill(0, test.memory);
    std::string what = engines_differ(0, 0, test.state, test.memory.data(), base);
    Outcome expected = base;
    if (what.empty()) {
        what = vixl_differs(test.program, 0, 0, test.state, test.memory.data(), base, &theirs);
        if (!what.empty()) {
            expected = theirs;
            expected.result.state.fpsr = base.result.state.fpsr;
            expected.result.state.tpidr = base.result.state.tpidr;
        }
    }
    Machine::get().fill(0, rich_memory());
    peer_judged_ = false;
    if (what.empty() && peer_ != nullptr) {
        MachineBatch& batch = peer_->batch();
        batch.program_count = batch.run_count = 1;
        batch.programs[0] = test.program;
        batch.runs[0].program = 0;
        batch.runs[0].in = test.state;
        std::memcpy(peer_->window(0), test.memory.data(), kWindowBytes);
        peer_->start();
        if (peer_->wait()) {
            theirs.result = batch.runs[0].out;
            collect_changes(peer_->window(0), test.memory.data(), theirs.memory);
            what = peer_differs(test.program, test.state, base, theirs);
            expected = theirs;
        } else {
            unjudged(Unjudged::PeerFailed);
        }
        std::memcpy(peer_->window(0), rich_memory().data(), kWindowBytes);
    }
    return {what, expected};
}

} // namespace ulna::fuzz
