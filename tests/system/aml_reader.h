// Reads definition blocks as far as machines of ours have them: that lengths fit into one another,
// that statements have their operands, and which names there are.
#pragma once

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::system {

class AmlReader {
  public:
    // From `at` to the end.
    AmlReader(const std::vector<u8>& table, std::size_t at) : bytes_(table), at_(at) {
        try {
            terms(table.size());
        } catch (const std::exception& wrong) {
            why_not_ = std::string(wrong.what()) + " at " + std::to_string(at_);
        }
    }
    [[nodiscard]] const std::string& why_not() const { return why_not_; }
    [[nodiscard]] bool has(const std::string& path) const { return names_.contains(path); }
    // How many devices have it as _HID.
    [[nodiscard]] std::size_t with_id(const std::string& id) const {
        return static_cast<std::size_t>(std::ranges::count(ids_, id));
    }

  private:
    static void require(bool condition, const char* what) {
        if (!condition) {
            throw std::runtime_error(what);
        }
    }
    u8 next() { return bytes_.at(at_++); }
    u8 peek() const { return bytes_.at(at_); }
    u64 number(unsigned bytes) {
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) {
            value |= u64{next()} << (8 * i);
        }
        return value;
    }
    std::size_t length() {
        const u8 first = next();
        std::size_t length = first >> 6 == 0 ? first & 0x3f : first & 0xf;
        for (unsigned i = 0; i < first >> 6; ++i) {
            length |= std::size_t{next()} << (4 + 8 * i);
        }
        return length;
    }
    std::size_t end_of_package() {
        const std::size_t start = at_, end = start + length();
        require(end <= bytes_.size(), "a length that is too long");
        return end;
    }
    static bool starts_name(u8 byte) {
        return byte == '\\' || byte == '_' || byte == '.' || byte == '/' ||
               (byte >= 'A' && byte <= 'Z');
    }
    std::string name() {
        std::string made;
        if (peek() == '\\') {
            made += static_cast<char>(next());
        }
        unsigned segments = 1;
        if (peek() == '.' || peek() == '/') {
            segments = next() == '.' ? 2 : next();
        }
        for (unsigned i = 0; i < segments; ++i) {
            made += i == 0 ? "" : ".";
            for (unsigned c = 0; c < 4; ++c) {
                require(starts_name(peek()) || (c != 0 && peek() >= '0' && peek() <= '9'),
                        "a character of a name");
                made += static_cast<char>(next());
            }
        }
        return made;
    }
    void define(const std::string& name) {
        const std::string path = name[0] == '\\' ? name : scope_ + "." + name;
        require(names_.insert(path).second, "a name that is there twice");
    }
    void terms(std::size_t end) {
        while (at_ < end) {
            term();
        }
        require(at_ == end, "a term that reaches over the end of what it is in");
    }
    void body(const std::string& name, std::size_t end) {
        const std::string outer = scope_;
        scope_ = name[0] == '\\' ? name : scope_ + "." + name;
        terms(end);
        scope_ = outer;
    }
    void operands(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            term();
        }
    }
    std::string string() {
        std::string made;
        for (u8 c = next(); c != 0; c = next()) {
            made += static_cast<char>(c);
        }
        return made;
    }

    // A statement, an expression or a value.
    void term() {
        if (starts_name(peek())) {
            static_cast<void>(name());
            return;
        }
        const u8 opcode = next();
        switch (opcode) {
        case 0x00: // Zero, One, Ones
        case 0x01:
        case 0xff:
            break;
        case 0x08: { // Name
            const std::string of = name();
            define(of);
            if (of == "_HID" && peek() == 0x0d) {
                ++at_;
                ids_.push_back(string());
            } else {
                term();
            }
            break;
        }
        case 0x0a: // numbers
            static_cast<void>(number(1));
            break;
        case 0x0b:
            static_cast<void>(number(2));
            break;
        case 0x0c:
            static_cast<void>(number(4));
            break;
        case 0x0e:
            static_cast<void>(number(8));
            break;
        case 0x0d:
            static_cast<void>(string());
            break;
        case 0x10: { // Scope
            const std::size_t end = end_of_package();
            body(name(), end);
            break;
        }
        case 0x11: { // Buffer
            const std::size_t end = end_of_package();
            term();
            at_ = end;
            break;
        }
        case 0x12:   // Package
        case 0x13: { // VarPackage
            const std::size_t end = end_of_package();
            opcode == 0x12 ? static_cast<void>(next()) : term();
            terms(end);
            break;
        }
        case 0x14: { // Method
            const std::size_t end = end_of_package();
            const std::string of = name();
            define(of);
            static_cast<void>(next()); // arguments, whether it is serialized
            body(of, end);
            break;
        }
        case 0x70: // Store
        case 0x86: // Notify
        case 0x93: // LEqual
            operands(2);
            break;
        case 0x7b: // And
        case 0x7d: // Or
            operands(3);
            break;
        case 0x8a: // CreateDWordField
            operands(2);
            define(name());
            break;
        case 0x92: // LNot
        case 0xa4: // Return
            operands(1);
            break;
        case 0xa0: { // If
            const std::size_t end = end_of_package();
            term();
            terms(end);
            break;
        }
        case 0xa1: // Else
            terms(end_of_package());
            break;
        case 0x5b:
            extended(next());
            break;
        default:
            require(opcode >= 0x60 && opcode <= 0x6e,
                    "an opcode that is not known"); // LocalN, ArgN
        }
    }
    void extended(u8 opcode) {
        if (opcode == 0x82) { // Device
            const std::size_t end = end_of_package();
            const std::string of = name();
            define(of);
            body(of, end);
        } else if (opcode == 0x80) { // OperationRegion
            define(name());
            static_cast<void>(next());
            operands(2);
        } else {
            require(opcode == 0x81, "an opcode that is not known"); // Field
            const std::size_t end = end_of_package();
            static_cast<void>(name());
            static_cast<void>(next());
            while (at_ < end) {
                define(name());
                static_cast<void>(length()); // in bits
            }
        }
    }

    const std::vector<u8>& bytes_;
    std::size_t at_;
    std::string scope_, why_not_;
    std::set<std::string> names_;
    std::vector<std::string> ids_;
};

} // namespace ulna::system
