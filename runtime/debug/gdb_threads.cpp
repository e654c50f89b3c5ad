// Packets about threads: which there are, and which go on.
#include <algorithm>

#include "runtime/debug/gdb_protocol.h"
#include "runtime/debug/gdb_words.h"

namespace ulna::runtime::debug {

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

// SIGNAL;SIGNAL...
GdbSession::Next GdbSession::pass_signals(std::string_view words, std::string& answer) {
    std::vector<int> signals;
    while (const auto signal = take_hex(words)) {
        signals.push_back(static_cast<int>(*signal));
        static_cast<void>(take(words, ";"));
    }
    answer = !words.empty() ? kBadRequest : target_.pass_signals(signals) ? kOk : "";
    return Next::Answer;
}

GdbSession::Next GdbSession::detach(std::string_view, std::string& answer) {
    target_.detach();
    answer = kOk;
    return Next::Leave;
}

GdbSession::Next GdbSession::kill(std::string_view, std::string&) { return Next::Kill; }

GdbSession::Next GdbSession::kill_with_answer(std::string_view words, std::string& answer) {
    answer = kOk;
    return kill(words, answer);
}

// "1;NUMBER;NUMBER...": these; "1": all; "0": none.
GdbSession::Next GdbSession::catch_calls(std::string_view words, std::string& answer) {
    CaughtCalls calls;
    calls.any = take(words, "1");
    bool is_good = calls.any || take(words, "0");
    while (is_good && calls.any && take(words, ";")) {
        const auto number = take_hex(words);
        is_good = number.has_value();
        calls.numbers.push_back(number.value_or(0));
    }
    answer = !is_good || !words.empty()              ? kBadRequest
             : target_.catch_calls(std::move(calls)) ? kOk
                                                     : "";
    return Next::Answer;
}

} // namespace ulna::runtime::debug
