#include "runtime/debug/gdb_protocol.h"

#include <algorithm>

#include "runtime/debug/gdb_words.h"
#include "runtime/debug/gdb_xml.h"

namespace ulna::runtime::debug {

// --- Packets. The first row whose name begins the packet.

const GdbSession::Row GdbSession::kRows[] = {
    {"qSupported", &GdbSession::support},
    {"QStartNoAckMode", &GdbSession::start_no_acknowledgements},
    {"QPassSignals:", &GdbSession::pass_signals},
    {"QCatchSyscalls:", &GdbSession::catch_calls},
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
    for (const std::string_view name : target_.documents()) {
        answer += ";qXfer:" + std::string{name} + ":read+";
    }
    answer += target_.pass_signals({}) ? ";QPassSignals+" : "";
    answer += target_.catch_calls({}) ? ";QCatchSyscalls+" : "";
    return Next::Answer;
}

GdbSession::Next GdbSession::start_no_acknowledgements(std::string_view, std::string& answer) {
    acknowledges_ = false;
    answer = kOk;
    return Next::Answer;
}

// Takes what names it off `words`.
std::optional<std::string> GdbSession::document(std::string_view& words) {
    if (take(words, "features:read:target.xml:")) {
        return target_xml(target_.features());
    }
    if (take(words, "threads:read::")) {
        return threads_xml(target_.threads());
    }
    for (const std::string_view name : target_.documents()) {
        // The annex of exec-file is a process, and there is but one.
        const std::size_t colon = words.find(':', name.size() + std::string_view{":read:"}.size());
        if (words.starts_with(std::string{name} + ":read:") && colon != words.npos) {
            words.remove_prefix(colon + 1);
            return target_.document(name, current());
        }
    }
    return std::nullopt;
}

// features:read:target.xml:OFFSET,LENGTH
GdbSession::Next GdbSession::transfer(std::string_view words, std::string& answer) {
    const std::string_view before = words;
    const auto found = document(words);
    if (!found) {
        const bool is_known = std::ranges::any_of(target_.documents(), [&](std::string_view name) {
            return name == before.substr(0, before.find(':'));
        });
        // There is no such file, or nothing of the kind.
        answer = is_known || before.starts_with("features:read:") ? "E00" : "";
        return Next::Answer;
    }
    const auto piece = take_pair(words);
    if (!piece) {
        answer = kBadRequest;
        return Next::Answer;
    }
    const auto [offset, length] = *piece;
    const u64 start = std::min<u64>(offset, found->size());
    const u64 count = std::min({found->size() - start, length, kPacketBytes / 2});
    answer = (start + count == found->size() ? "l" : "m") + found->substr(start, count);
    return Next::Answer;
}

// Without, gdb kills when it ends.
GdbSession::Next GdbSession::is_attached(std::string_view, std::string& answer) {
    answer = target_.is_attached() ? "1" : "0";
    return Next::Answer;
}

// --- Stops

GdbSession::Next GdbSession::why_stopped(std::string_view, std::string& answer) {
    answer = last_stop_.empty() ? describe({.thread = current()}) : last_stop_;
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
    } else if (stop.kind == Kind::CallEntry || stop.kind == Kind::CallReturn) {
        const char* const name = stop.kind == Kind::CallEntry ? "syscall_entry" : "syscall_return";
        last_stop_ += name + (":" + hex_number(stop.call)) + ";";
    }
    return last_stop_;
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
