// Bit patterns of insn.def rows, parsed at compile time, and the thunks that unpack an instruction
// word into a handler's typed parameters.
//
// A pattern names the 32 bits from bit 31 down. Tokens: 0 and 1 are fixed, - is ignored, `name:5`
// is a field of five bits, `name` a field of one bit, `name:4!0` a field that must not be zero (one
// per pattern). Spaces separate fields from their neighbours; fixed bits may be run together. A
// `name` that starts with an underscore is a field that no handler parameter receives.
//
// Fields become handler parameters in order; count and widths are checked by the compiler.
#pragma once

#include <array>
#include <utility>

#include "frontend/a64/registers.h"

namespace ulna::frontend {

class Translator;
using Handler = bool (*)(Translator& t, u32 word);

struct Field {
    u8 lsb = 0, width = 0;
};

struct Pattern {
    u32 mask = 0, bits = 0;
    u32 nonzero = 0; // mask of the field that must not be zero; 0: none
    std::array<Field, 12> fields{};
    unsigned field_count = 0;

    [[nodiscard]] constexpr bool matches(u32 word) const {
        return (word & mask) == bits && (nonzero == 0 || (word & nonzero) != 0);
    }
};

template <std::size_t N> struct PatternText {
    char chars[N]{};
    consteval PatternText(const char (&text)[N]) {
        for (std::size_t i = 0; i < N; ++i) {
            chars[i] = text[i];
        }
    }
};

namespace detail {
// Throwing in a constexpr function is how a bad pattern becomes a compile error with this text.
template <std::size_t N> struct PatternParser {
    const PatternText<N>& text;
    std::size_t at = 0;
    unsigned left = 32; // bits not consumed yet
    Pattern result{};

    constexpr char peek() const { return at + 1 < N ? text.chars[at] : '\0'; }
    constexpr u8 take(unsigned width) {
        if (width == 0 || width > left) {
            throw "pattern: field of no bits, or more than 32 bits";
        }
        return static_cast<u8>(left -= width);
    }
    constexpr void fixed(bool one) {
        const u32 mask = u32{1} << take(1);
        result.mask |= mask;
        result.bits |= one ? mask : 0;
    }
    constexpr unsigned field_width() {
        if (peek() != ':') {
            return 1;
        }
        unsigned width = 0;
        for (++at; peek() >= '0' && peek() <= '9'; ++at) {
            width = width * 10 + static_cast<unsigned>(peek() - '0');
        }
        return width;
    }
    constexpr void field() {
        const bool ignored = peek() == '_';
        while (peek() != '\0' && peek() != ':' && peek() != ' ' && peek() != '!') {
            ++at;
        }
        const unsigned width = field_width();
        const Field field{take(width), static_cast<u8>(width)};
        if (peek() == '!') {
            if (result.nonzero != 0) {
                throw "pattern: two fields with !0";
            }
            at += 2;
            result.nonzero = static_cast<u32>(ones(width) << field.lsb);
        }
        if (peek() != ' ' && peek() != '\0') {
            throw "pattern: a field ends at a space";
        }
        if (!ignored) {
            result.fields[result.field_count++] = field;
        }
    }
    constexpr Pattern parse() {
        while (peek() != '\0') {
            switch (peek()) {
            case ' ':
                ++at;
                break;
            case '0':
            case '1':
                fixed(text.chars[at++] == '1');
                break;
            case '-':
                take(1), ++at;
                break;
            default:
                field();
            }
        }
        if (left != 0) {
            throw "pattern: fewer than 32 bits";
        }
        return result;
    }
};

template <class T> struct FieldTraits {
    static constexpr unsigned width = T::width;
    static constexpr T make(u32 v) { return T{v}; }
};
template <class E, unsigned W> struct EnumField {
    static constexpr unsigned width = W;
    static constexpr E make(u32 v) { return static_cast<E>(v); }
};
template <> struct FieldTraits<bool> : EnumField<bool, 1> {};
template <> struct FieldTraits<Reg> : EnumField<Reg, 5> {};
template <> struct FieldTraits<Vec> : EnumField<Vec, 5> {};
template <> struct FieldTraits<ir::Cond> : EnumField<ir::Cond, 4> {};
} // namespace detail

template <PatternText P>
inline constexpr Pattern kPattern = detail::PatternParser<sizeof(P.chars)>{P}.parse();

// Calls `Fn` with the fields of a word.
template <PatternText P, auto Fn> struct Thunk;
template <PatternText P, class... A, bool (*Fn)(Translator&, A...)> struct Thunk<P, Fn> {
    static constexpr const Pattern& pattern = kPattern<P>;
    static_assert(pattern.field_count == sizeof...(A), "pattern fields != handler parameters");

    template <std::size_t... I> static constexpr bool widths_fit(std::index_sequence<I...>) {
        return ((pattern.fields[I].width == detail::FieldTraits<A>::width) && ...);
    }
    static_assert(widths_fit(std::index_sequence_for<A...>{}),
                  "field width != handler parameter width");

    template <class T> static constexpr T extract(u32 word, Field field) {
        return detail::FieldTraits<T>::make((word >> field.lsb) &
                                            static_cast<u32>(ones(field.width)));
    }
    template <std::size_t... I>
    static bool call_with(Translator& t, [[maybe_unused]] u32 word, std::index_sequence<I...>) {
        return Fn(t, extract<A>(word, pattern.fields[I])...);
    }
    static bool call(Translator& t, u32 word) {
        return call_with(t, word, std::index_sequence_for<A...>{});
    }
};

} // namespace ulna::frontend
