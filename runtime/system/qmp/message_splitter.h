// Bytes of a QMP client become messages: the texts of JSON values, one after the other. Only their
// ends are looked for here; whether such a text is JSON is seen when it is parsed.
//
// What cannot be in JSON (a control character in a string, say) ends a message as an error, and
// bytes are skipped up to where another one may begin, so that a client can start afresh.
#pragma once

#include <deque>
#include <span>
#include <string>

#include "ir/support/types.h"

namespace ulna::system::qmp {

struct Message {
    std::string text; // of a value; or of an error: why it is none
    bool is_error = false;
};

class MessageSplitter {
  public:
    static constexpr std::size_t kMostBytes = 1 << 20; // of a message
    static constexpr std::size_t kMostDepth = 256;     // of lists and objects in each other

    // False: a limit is exceeded. The last message says so, and nothing more is taken.
    [[nodiscard]] bool take(std::span<const u8> bytes, std::deque<Message>& to);

  private:
    enum class State : u8 { Between, Scalar, Value /* in brackets */, String, Escape, Skip };

    [[nodiscard]] bool take(char c, std::deque<Message>& to);
    [[nodiscard]] bool take_structure(char c, std::deque<Message>& to);
    void take_string(char c, std::deque<Message>& to);
    void begin_string(char quote);
    void end_string(std::deque<Message>& to);
    void finish(std::deque<Message>& to);
    void fail(std::string why, State next, std::deque<Message>& to);

    State state_ = State::Between;
    std::string text_;
    std::string closers_; // of the brackets that are open
    char quote_ = '"';
};

} // namespace ulna::system::qmp
