#include "runtime/system/qmp/message_splitter.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <utility>

namespace ulna::system::qmp {

namespace {

bool is_control(char c) { return static_cast<u8>(c) < ' '; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_quote(char c) { return c == '"' || c == '\''; }
bool is_structure(char c) { return std::string_view{"{}[]:,"}.find(c) != std::string_view::npos; }
// Of a number, or of true, false and null: all that is printed and means nothing else.
bool is_scalar(char c) { return c > ' ' && c < 0x7f && !is_quote(c) && !is_structure(c); }

} // namespace

bool MessageSplitter::take(std::span<const u8> bytes, std::deque<Message>& to) {
    for (const u8 byte : bytes) {
        if (!take(static_cast<char>(byte), to)) {
            return false;
        }
        if (text_.size() > kMostBytes) {
            fail(fmt::format("a message has at most {} bytes", kMostBytes), State::Skip, to);
            return false;
        }
    }
    return true;
}

bool MessageSplitter::take(char c, std::deque<Message>& to) {
    if (state_ == State::String || state_ == State::Escape) {
        take_string(c, to);
        return true;
    }
    if (state_ == State::Skip) {
        if (!is_control(c) && !is_structure(c)) {
            return true;
        }
        state_ = State::Between;
    }
    if (state_ == State::Scalar && !is_scalar(c)) {
        finish(to);
    }
    if (is_structure(c)) {
        return take_structure(c, to);
    }
    if (is_quote(c)) {
        begin_string(c);
    } else if (is_scalar(c)) {
        state_ = state_ == State::Between ? State::Scalar : state_;
        text_ += c;
    } else if (!is_space(c)) {
        fail(fmt::format("stray byte {:#04x}", static_cast<u8>(c)), State::Skip, to);
    } else if (state_ == State::Value) {
        text_ += ' ';
    }
    return true;
}

bool MessageSplitter::take_structure(char c, std::deque<Message>& to) {
    text_ += c;
    if (c == '{' || c == '[') {
        closers_ += c == '{' ? '}' : ']';
        state_ = State::Value;
        if (closers_.size() > kMostDepth) {
            fail(fmt::format("lists and objects are in each other {} times at most", kMostDepth),
                 State::Skip, to);
            return false;
        }
    } else if (closers_.empty() || ((c == '}' || c == ']') && c != closers_.back())) {
        fail(fmt::format("stray '{}'", c), State::Between, to);
    } else if (c == '}' || c == ']') {
        closers_.pop_back();
        if (closers_.empty()) {
            finish(to);
        }
    }
    return true;
}

// --- Strings. Those in single quotes, which QMP has besides JSON's, become JSON's.

void MessageSplitter::begin_string(char quote) {
    quote_ = quote;
    state_ = State::String;
    text_ += '"';
}

void MessageSplitter::take_string(char c, std::deque<Message>& to) {
    if (is_control(c)) {
        fail("a control character in a string", State::Skip, to);
    } else if (state_ == State::Escape) {
        text_ += c == '\'' ? "'" : std::string{'\\', c};
        state_ = State::String;
    } else if (c == '\\') {
        state_ = State::Escape;
    } else if (c == quote_) {
        end_string(to);
    } else {
        text_ += c == '"' ? "\\\"" : std::string{c};
    }
}

void MessageSplitter::end_string(std::deque<Message>& to) {
    text_ += '"';
    state_ = State::Value;
    if (closers_.empty()) {
        finish(to);
    }
}

// --- Ends

void MessageSplitter::finish(std::deque<Message>& to) {
    to.push_back({std::exchange(text_, ""), false});
    state_ = State::Between;
}

void MessageSplitter::fail(std::string why, State next, std::deque<Message>& to) {
    to.push_back({std::move(why), true});
    text_.clear();
    closers_.clear();
    state_ = next;
}

} // namespace ulna::system::qmp
