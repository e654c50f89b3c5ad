#include "runtime/debug/gdb_protocol.h"

#include <algorithm>

#include "runtime/debug/gdb_packet.h"
#include "runtime/debug/gdb_xml.h"

namespace ulna::runtime::debug {

namespace {

constexpr u64 kPacketBytes = 0x4000; // the longest that we ask for
constexpr std::string_view kOk = "OK";
// Numbers mean nothing to gdb.
constexpr std::string_view kBadRequest = "E01", kNoRegister = "E02", kNoMemory = "E14";

// "-1" is all, as "0" is any: 0.
std::optional<u64> take_thread(std::string_view& text) {
    return take(text, "-1") ? std::optional{u64{0}} : take_hex(text);
}

std::span<const u8> bytes_of(const std::string& text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

} // namespace

// --- Packets. The first row whose name begins the packet.

const GdbSession::Row GdbSession::kRows[] = {
    {"qSupported", &GdbSession::support},
    {"QStartNoAckMode", &GdbSession::start_no_acknowledgements},
    {"qXfer:", &GdbSession::transfer},
    {"qfThreadInfo", &GdbSession::list_threads},
    {"qsThreadInfo", &GdbSession::end_of_threads},
    {"qThreadExtraInfo,", &GdbSession::describe_thread},
    {"qRcmd,", &GdbSession::command},
    {"qAttached", &GdbSession::is_attached},
    {"qC", &GdbSession::current_thread},
    {"vCont?", &GdbSession::list_actions},
    {"vCont;", &GdbSession::resume_by_actions},
    {"vKill;", &GdbSession::kill_with_answer},
    {"?", &GdbSession::why_stopped},
    {"g", &GdbSession::read_registers},
    {"G", &GdbSession::write_registers},
    {"p", &GdbSession::read_register},
    {"P", &GdbSession::write_register},
    {"m", &GdbSession::read_memory},
    {"M", &GdbSession::write_memory},
    {"X", &GdbSession::write_memory_binary},
    {"Z", &GdbSession::insert_point},
    {"z", &GdbSession::remove_point},
    {"H", &GdbSession::choose_thread},
    {"T", &GdbSession::is_alive},
    {"c", &GdbSession::resume_all},
    {"C", &GdbSession::resume_all},
    {"s", &GdbSession::step_all},
    {"S", &GdbSession::step_all},
    {"D", &GdbSession::detach},
    {"k", &GdbSession::kill},
};

GdbSession::Next GdbSession::handle(std::string_view packet, std::string& answer) {
    answer.clear();
    const auto* const row = std::ranges::find_if(
        kRows, [&](const Row& candidate) { return packet.starts_with(candidate.name); });
    if (row == std::end(kRows)) {
        return Next::Answer;
    }
    // C and S have a signal, which c and s begin with nothing for.
    const bool has_signal = row->name == "C" || row->name == "S";
    packet.remove_prefix(has_signal ? 0 : row->name.size());
    return (this->*row->handler)(packet, answer);
}

// --- What we can do

GdbSession::Next GdbSession::support(std::string_view words, std::string& answer) {
    reports_breakpoints_ = words.find("swbreak+") != std::string_view::npos &&
                           words.find("hwbreak+") != std::string_view::npos;
    answer = "PacketSize=" + hex_number(kPacketBytes) +
             ";QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;vContSupported+;swbreak+;"
             "hwbreak+";
    return Next::Answer;
}

GdbSession::Next GdbSession::start_no_acknowledgements(std::string_view, std::string& answer) {
    acknowledges_ = false;
    answer = kOk;
    return Next::Answer;
}

// features:read:target.xml:OFFSET,LENGTH
GdbSession::Next GdbSession::transfer(std::string_view words, std::string& answer) {
    std::string document;
    if (take(words, "features:read:target.xml:")) {
        document = target_xml(target_.features());
    } else if (take(words, "threads:read::")) {
        document = threads_xml(target_.threads());
    } else {
        answer = words.starts_with("features:read:") ? "E00" : ""; // there is no such file
        return Next::Answer;
    }
    const auto offset = take_hex(words);
    const bool comma = take(words, ",");
    const auto length = take_hex(words);
    if (!offset || !comma || !length) {
        answer = kBadRequest;
        return Next::Answer;
    }
    const u64 start = std::min<u64>(*offset, document.size());
    const u64 count = std::min({document.size() - start, *length, kPacketBytes / 2});
    answer = (start + count == document.size() ? "l" : "m") + document.substr(start, count);
    return Next::Answer;
}

GdbSession::Next GdbSession::is_attached(std::string_view, std::string& answer) {
    answer = "1"; // gdb detaches when it ends, and does not kill
    return Next::Answer;
}

// --- Stops

GdbSession::Next GdbSession::why_stopped(std::string_view, std::string& answer) {
    answer = last_stop_;
    return Next::Answer;
}

std::string GdbSession::describe(const GdbStop& stop) {
    using Kind = GdbStop::Kind;
    const u8 number = static_cast<u8>(stop.signal);
    const std::string code = to_hex(std::span{&number, 1});
    if (stop.kind == Kind::Exited || stop.kind == Kind::Killed) {
        return last_stop_ = (stop.kind == Kind::Exited ? "W" : "X") + code;
    }
    thread_ = stop.thread;
    last_stop_ = "T" + code + "thread:" + hex_number(stop.thread) + ";";
    if (stop.kind == Kind::Breakpoint && reports_breakpoints_) {
        last_stop_ += "swbreak:;";
    } else if (stop.kind == Kind::Watchpoint) {
        const char* const name = !stop.writes ? "rwatch" : stop.reads ? "awatch" : "watch";
        last_stop_ += name + (":" + hex_number(stop.address)) + ";";
    }
    return last_stop_;
}

// --- Registers

std::vector<GdbRegister> GdbSession::registers() const {
    std::vector<GdbRegister> all;
    for (const GdbFeature& feature : target_.features()) {
        all.insert(all.end(), feature.registers.begin(), feature.registers.end());
    }
    return all;
}

std::size_t GdbSession::registers_in_all() const {
    std::size_t count = 0;
    for (const GdbFeature& feature : target_.features()) {
        count += feature.in_all ? feature.registers.size() : 0;
    }
    return count;
}

GdbSession::Next GdbSession::read_registers(std::string_view, std::string& answer) {
    const std::vector<GdbRegister> all = registers();
    for (unsigned n = 0; n < registers_in_all(); ++n) {
        std::vector<u8> bytes(all[n].bits / 8);
        answer += target_.read_register(current(), n, bytes) ? to_hex(bytes)
                                                             : std::string(bytes.size() * 2, 'x');
    }
    return Next::Answer;
}

GdbSession::Next GdbSession::write_registers(std::string_view words, std::string& answer) {
    const auto bytes = from_hex(words);
    const std::vector<GdbRegister> all = registers();
    std::size_t total = 0;
    for (unsigned n = 0; n < registers_in_all(); ++n) {
        total += all[n].bits / 8;
    }
    answer = kBadRequest;
    if (!bytes || bytes->size() != total) {
        return Next::Answer;
    }
    std::size_t at = 0;
    bool done = true;
    for (unsigned n = 0; n < registers_in_all(); ++n) {
        const std::size_t count = all[n].bits / 8;
        done = target_.write_register(current(), n, bytes_of(*bytes).subspan(at, count)) && done;
        at += count;
    }
    answer = done ? kOk : kNoRegister;
    return Next::Answer;
}

GdbSession::Next GdbSession::read_register(std::string_view words, std::string& answer) {
    const auto n = take_hex(words);
    const std::vector<GdbRegister> all = registers();
    answer = kNoRegister;
    if (n && *n < all.size()) {
        std::vector<u8> bytes(all[*n].bits / 8);
        if (target_.read_register(current(), static_cast<unsigned>(*n), bytes)) {
            answer = to_hex(bytes);
        }
    }
    return Next::Answer;
}

GdbSession::Next GdbSession::write_register(std::string_view words, std::string& answer) {
    const auto n = take_hex(words);
    const bool equals = take(words, "=");
    const auto bytes = from_hex(words);
    const std::vector<GdbRegister> all = registers();
    const bool sound = n && equals && bytes && *n < all.size() && bytes->size() == all[*n].bits / 8;
    const bool done =
        sound && target_.write_register(current(), static_cast<unsigned>(*n), bytes_of(*bytes));
    answer = done ? kOk : kNoRegister;
    return Next::Answer;
}

// --- Memory: ADDRESS,LENGTH and for writes :BYTES

GdbSession::Next GdbSession::read_memory(std::string_view words, std::string& answer) {
    const auto at = take_hex(words);
    const bool comma = take(words, ",");
    const auto length = take_hex(words);
    if (!at || !comma || !length) {
        answer = kBadRequest;
        return Next::Answer;
    }
    std::vector<u8> bytes(std::min(*length, kPacketBytes / 2));
    bytes.resize(target_.read_memory(current(), *at, bytes));
    answer = bytes.empty() && *length != 0 ? std::string{kNoMemory} : to_hex(bytes);
    return Next::Answer;
}

void GdbSession::write(std::string_view words, std::string& answer, bool binary) {
    const auto at = take_hex(words);
    const bool comma = take(words, ",");
    const auto length = take_hex(words);
    const bool colon = take(words, ":");
    const auto bytes = binary ? std::optional{std::string{words}} : from_hex(words);
    if (!at || !comma || !length || !colon || !bytes || bytes->size() != *length) {
        answer = kBadRequest;
        return;
    }
    answer = target_.write_memory(current(), *at, bytes_of(*bytes)) ? kOk : kNoMemory;
}

GdbSession::Next GdbSession::write_memory(std::string_view words, std::string& answer) {
    write(words, answer, false);
    return Next::Answer;
}

GdbSession::Next GdbSession::write_memory_binary(std::string_view words, std::string& answer) {
    write(words, answer, true);
    return Next::Answer;
}

// --- Breakpoints and watchpoints: KIND,ADDRESS,BYTES

void GdbSession::change_point(std::string_view words, std::string& answer, bool insert) {
    const auto kind = take_hex(words);
    const bool comma = take(words, ",");
    const auto at = take_hex(words);
    const bool second_comma = take(words, ",");
    const auto bytes = take_hex(words);
    if (!kind || !comma || !at || !second_comma || !bytes) {
        answer = kBadRequest;
    } else if (*kind <= static_cast<u64>(GdbPoint::Access)) {
        const auto point = static_cast<GdbPoint>(*kind);
        const bool done =
            insert ? target_.insert(point, *at, *bytes) : target_.remove(point, *at, *bytes);
        answer = done ? kOk : kBadRequest;
    }
}

GdbSession::Next GdbSession::insert_point(std::string_view words, std::string& answer) {
    change_point(words, answer, true);
    return Next::Answer;
}

GdbSession::Next GdbSession::remove_point(std::string_view words, std::string& answer) {
    change_point(words, answer, false);
    return Next::Answer;
}

// --- Threads

// The thread that is meant: the chosen one, or while that is any, the first.
u64 GdbSession::current() {
    if (thread_ == 0) {
        const std::vector<GdbThread> threads = target_.threads();
        thread_ = threads.empty() ? 0 : threads.front().id;
    }
    return thread_;
}

GdbSession::Next GdbSession::choose_thread(std::string_view words, std::string& answer) {
    const bool to_resume = take(words, "c");
    const bool to_look_at = !to_resume && take(words, "g");
    const auto thread = take_thread(words);
    const std::vector<GdbThread> threads = target_.threads();
    const bool known =
        thread && (*thread == 0 || std::ranges::count(threads, *thread, &GdbThread::id) != 0);
    answer = kBadRequest;
    if (known && (to_resume || to_look_at)) {
        u64& chosen = to_resume ? thread_to_resume_ : thread_;
        // "Any" leaves the one that stopped.
        chosen = *thread == 0 && to_look_at ? thread_ : *thread;
        answer = kOk;
    }
    return Next::Answer;
}

GdbSession::Next GdbSession::is_alive(std::string_view words, std::string& answer) {
    const auto thread = take_thread(words);
    const std::vector<GdbThread> threads = target_.threads();
    const bool alive = thread && std::ranges::count(threads, *thread, &GdbThread::id) != 0;
    answer = alive ? kOk : kBadRequest;
    return Next::Answer;
}

GdbSession::Next GdbSession::current_thread(std::string_view words, std::string& answer) {
    answer = words.empty() ? "QC" + hex_number(current()) : ""; // qCRC is another one
    return Next::Answer;
}

GdbSession::Next GdbSession::list_threads(std::string_view, std::string& answer) {
    for (const GdbThread& thread : target_.threads()) {
        answer += (answer.empty() ? "m" : ",") + hex_number(thread.id);
    }
    answer = answer.empty() ? "l" : answer;
    return Next::Answer;
}

GdbSession::Next GdbSession::end_of_threads(std::string_view, std::string& answer) {
    answer = "l"; // the first answer had all
    return Next::Answer;
}

GdbSession::Next GdbSession::describe_thread(std::string_view words, std::string& answer) {
    const auto id = take_thread(words);
    for (const GdbThread& thread : target_.threads()) {
        if (id == thread.id) {
            answer = to_hex(thread.description);
            return Next::Answer;
        }
    }
    answer = kBadRequest;
    return Next::Answer;
}

// --- Going on

GdbSession::Next GdbSession::list_actions(std::string_view, std::string& answer) {
    answer = "vCont;c;C;s;S";
    return Next::Answer;
}

// ACTION[SIGNAL][:THREAD];... Each thread does the first action that is for it.
GdbSession::Next GdbSession::resume_by_actions(std::string_view words, std::string& answer) {
    std::vector<GdbResumption> resumptions;
    for (const GdbThread& thread : target_.threads()) {
        resumptions.push_back({.thread = thread.id});
    }
    std::vector<bool> decided(resumptions.size());
    bool more = true;
    while (more) {
        const char action = words.empty() ? '\0' : words.front();
        words.remove_prefix(words.empty() ? 0 : 1);
        const bool steps = action == 's' || action == 'S', signals = action == 'C' || action == 'S';
        const auto signal = signals ? take_hex(words) : std::optional{u64{0}};
        const auto thread = take(words, ":") ? take_thread(words) : std::optional{u64{0}};
        more = take(words, ";");
        if ((!steps && action != 'c' && action != 'C') || !signal || !thread ||
            (!more && !words.empty())) {
            answer = kBadRequest;
            return Next::Answer;
        }
        for (std::size_t i = 0; i < resumptions.size(); ++i) {
            if (!decided[i] && (*thread == 0 || *thread == resumptions[i].thread)) {
                decided[i] = true;
                resumptions[i].order = steps ? GdbOrder::Step : GdbOrder::Run;
                resumptions[i].signal = static_cast<int>(*signal);
            }
        }
    }
    target_.resume(resumptions);
    return Next::Run;
}

// As older debuggers say it: of the thread of Hc, or all. An address to go on at is gdb's to write
// into the PC, and never sent.
GdbSession::Next GdbSession::resume(GdbOrder order, int signal) {
    std::vector<GdbResumption> resumptions;
    for (const GdbThread& thread : target_.threads()) {
        const bool meant = thread.id == (thread_to_resume_ != 0 ? thread_to_resume_ : current());
        const GdbOrder others =
            thread_to_resume_ != 0 || order == GdbOrder::Step ? GdbOrder::Stay : GdbOrder::Run;
        resumptions.push_back(
            {.thread = thread.id, .order = meant ? order : others, .signal = meant ? signal : 0});
    }
    target_.resume(resumptions);
    return Next::Run;
}

namespace {
int signal_of(std::string_view words) {
    return take(words, "C") || take(words, "S") ? static_cast<int>(take_hex(words).value_or(0)) : 0;
}
} // namespace

GdbSession::Next GdbSession::resume_all(std::string_view words, std::string&) {
    return resume(GdbOrder::Run, signal_of(words));
}

GdbSession::Next GdbSession::step_all(std::string_view words, std::string&) {
    return resume(GdbOrder::Step, signal_of(words));
}

GdbSession::Next GdbSession::detach(std::string_view, std::string& answer) {
    target_.detach();
    answer = kOk;
    return Next::Leave;
}

GdbSession::Next GdbSession::kill(std::string_view, std::string&) {
    target_.kill();
    return Next::Leave;
}

GdbSession::Next GdbSession::kill_with_answer(std::string_view words, std::string& answer) {
    answer = kOk;
    return kill(words, answer);
}

// --- "monitor ..."

GdbSession::Next GdbSession::command(std::string_view words, std::string& answer) {
    const auto line = from_hex(words);
    const auto output = line ? target_.command(*line) : std::nullopt;
    if (output) {
        const std::string_view start = std::string_view(*output).substr(0, kPacketBytes / 2 - 1);
        answer = output->empty() ? std::string{kOk} : to_hex(start);
    }
    return Next::Answer;
}

} // namespace ulna::runtime::debug
