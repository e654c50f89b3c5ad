// gdb's remote protocol (gdb manual, appendix E): what each packet means and is answered with,
// whatever it is that is debugged. Sockets are gdb_server's.
#pragma once

#include <string>
#include <string_view>

#include "runtime/debug/gdb_target.h"

namespace ulna::runtime::debug {

class GdbSession {
  public:
    explicit GdbSession(GdbTarget& target) : target_{target} {}

    enum class Next : u8 {
        Answer, // `answer` is to be sent
        Run,    // the target runs: nothing is to be sent until it stops
        Leave,  // `answer` is to be sent, and the connection to be closed
        Kill,   // likewise, and then the target to be killed
    };
    [[nodiscard]] Next handle(std::string_view packet, std::string& answer);
    // What tells gdb of it; its thread is the one that is meant from now on.
    [[nodiscard]] std::string describe(const GdbStop& stop);
    [[nodiscard]] bool acknowledges() const { return acknowledges_; }

  private:
    // Of packets: what follows the name in `words`. Without an answer gdb takes the packet for
    // unknown.
    using Handler = Next (GdbSession::*)(std::string_view words, std::string& answer);
    struct Row {
        std::string_view name;
        Handler handler;
    };
    static const Row kRows[];

    // --- gdb_protocol.cpp
    Next support(std::string_view words, std::string& answer);
    Next start_no_acknowledgements(std::string_view words, std::string& answer);
    Next transfer(std::string_view words, std::string& answer);
    [[nodiscard]] std::optional<std::string> document(std::string_view& words);
    Next is_attached(std::string_view words, std::string& answer);
    Next why_stopped(std::string_view words, std::string& answer);
    Next command(std::string_view words, std::string& answer);

    // --- gdb_state.cpp
    Next read_registers(std::string_view words, std::string& answer);
    Next write_registers(std::string_view words, std::string& answer);
    Next read_register(std::string_view words, std::string& answer);
    Next write_register(std::string_view words, std::string& answer);
    Next read_memory(std::string_view words, std::string& answer);
    Next write_memory(std::string_view words, std::string& answer);
    Next write_memory_binary(std::string_view words, std::string& answer);
    Next insert_point(std::string_view words, std::string& answer);
    Next remove_point(std::string_view words, std::string& answer);
    void write(std::string_view words, std::string& answer, bool binary);
    void change_point(std::string_view words, std::string& answer, bool insert);
    [[nodiscard]] std::vector<GdbRegister> registers() const;
    [[nodiscard]] std::size_t registers_in_all() const; // the first ones

    // --- gdb_threads.cpp
    Next choose_thread(std::string_view words, std::string& answer);
    Next is_alive(std::string_view words, std::string& answer);
    Next current_thread(std::string_view words, std::string& answer);
    Next list_threads(std::string_view words, std::string& answer);
    Next end_of_threads(std::string_view words, std::string& answer);
    Next describe_thread(std::string_view words, std::string& answer);
    Next list_actions(std::string_view words, std::string& answer);
    Next resume_by_actions(std::string_view words, std::string& answer);
    Next resume_all(std::string_view words, std::string& answer);
    Next step_all(std::string_view words, std::string& answer);
    Next pass_signals(std::string_view words, std::string& answer);
    Next catch_calls(std::string_view words, std::string& answer);
    Next detach(std::string_view words, std::string& answer);
    Next kill(std::string_view words, std::string& answer);
    Next kill_with_answer(std::string_view words, std::string& answer);
    [[nodiscard]] Next resume(GdbOrder order, int signal);
    [[nodiscard]] u64 current();

    GdbTarget& target_;
    u64 thread_ = 0;           // of Hg; 0: any
    u64 thread_to_resume_ = 0; // of Hc; 0: all
    bool acknowledges_ = true;
    bool reports_breakpoints_ = false; // swbreak and hwbreak in stop replies
    std::string last_stop_;            // empty: it was found stopped
};

} // namespace ulna::runtime::debug
