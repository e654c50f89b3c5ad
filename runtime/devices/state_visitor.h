// The state of a machine's parts, for snapshots. A part has one function, visit_state(visitor),
// which goes over its fields; the visitor writes them or reads them, so what is saved and what is
// loaded cannot differ. What follows from other state is not visited: the function computes it anew
// when loading().
//
// What is read may be anything. So a field only becomes what it may be (its type, bounded(),
// masked()); anything else is a failure, after which no field changes any more: the part works on,
// though with a mixture of states that only loading another one makes sense of.
#pragma once

#include <array>
#include <concepts>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ir/support/types.h"

namespace ulna::devices {

class StateVisitor {
  public:
    StateVisitor() = default; // saves
    explicit StateVisitor(std::span<const u8> saved) : rest_{saved}, loading_{true} {}

    [[nodiscard]] bool loading() const { return loading_; }
    [[nodiscard]] bool failed() const { return !why_not_.empty(); }
    [[nodiscard]] const std::string& why_not() const { return why_not_; } // the first reason
    void fail(std::string why);
    [[nodiscard]] std::vector<u8> take() { return std::move(saved_); }
    void finish(); // when loading: fails unless everything has been read

    // Fields that may have any value of their type.
    template <class... Fields> void operator()(Fields&... fields) { (visit(fields), ...); }
    // An enumerator up to `last`.
    template <class T>
    requires std::is_enum_v<T>
    void enumerator(T& field, T last) {
        auto number = static_cast<std::underlying_type_t<T>>(field);
        bounded(number, static_cast<std::underlying_type_t<T>>(last));
        field = static_cast<T>(number);
    }
    template <std::unsigned_integral T> void bounded(T& field, std::type_identity_t<T> most) {
        T value = field;
        visit(value);
        if (value > most) {
            fail("a number that is too large");
        } else {
            field = value;
        }
    }
    // Only these bits are state; the others stay, and are the same in what is read.
    template <std::unsigned_integral T>
    void masked(T& field, std::type_identity_t<T> mask, const char* name = "a register") {
        T value = field;
        visit(value);
        if (((value ^ field) & static_cast<T>(~mask)) != 0) {
            fail(std::string{name} + " with bits that do not exist");
        } else {
            field = value;
        }
    }
    // How many of something follow. Loaded: at most `most`, or 0 after a failure.
    [[nodiscard]] u64 count(u64 now, u64 most);
    // Integers in a container that has resize().
    template <class Sequence> void sequence(Sequence& elements, u64 most) {
        elements.resize(count(elements.size(), most));
        for (auto& element : elements) {
            visit(element);
        }
    }
    void text(std::string& field, u64 most_bytes); // printable

  private:
    template <std::integral T> void visit(T& field) {
        if (!loading_) {
            put(&field, sizeof field);
        } else {
            get(&field, sizeof field);
        }
    }
    void visit(bool& field);
    template <class T, std::size_t n> void visit(std::array<T, n>& fields) {
        for (T& field : fields) {
            visit(field);
        }
    }
    template <class T, std::size_t n> void visit(T (&fields)[n]) {
        for (T& field : fields) {
            visit(field);
        }
    }

    void put(const void* data, std::size_t bytes);
    void get(void* data, std::size_t bytes); // leaves it as it is after a failure

    std::vector<u8> saved_;
    std::span<const u8> rest_; // what is still to be read
    bool loading_ = false;
    std::string why_not_;
};

// A part of a machine, by the name that its state has in a snapshot.
struct StatePart {
    std::string name;
    u32 version; // of what `visit` goes over; others are refused
    std::function<void(StateVisitor&)> visit;
};

} // namespace ulna::devices
