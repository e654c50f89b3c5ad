// Packets that look at what is debugged, and change it: registers, memory, breakpoints.
#include <algorithm>

#include "runtime/debug/gdb_protocol.h"
#include "runtime/debug/gdb_words.h"

namespace ulna::runtime::debug {

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
    const auto range = take_pair(words);
    if (!range) {
        answer = kBadRequest;
        return Next::Answer;
    }
    const auto [at, length] = *range;
    std::vector<u8> bytes(std::min(length, kPacketBytes / 2));
    bytes.resize(target_.read_memory(current(), at, bytes));
    answer = bytes.empty() && length != 0 ? std::string{kNoMemory} : to_hex(bytes);
    return Next::Answer;
}

void GdbSession::write(std::string_view words, std::string& answer, bool binary) {
    const auto range = take_pair(words);
    const bool colon = take(words, ":");
    const auto bytes = binary ? std::optional{std::string{words}} : from_hex(words);
    if (!range || !colon || !bytes || bytes->size() != range->second) {
        answer = kBadRequest;
        return;
    }
    answer = target_.write_memory(current(), range->first, bytes_of(*bytes)) ? kOk : kNoMemory;
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
    const auto range = take_pair(words);
    if (!kind || !comma || !range) {
        answer = kBadRequest;
    } else if (*kind <= static_cast<u64>(GdbPoint::Access)) {
        const auto point = static_cast<GdbPoint>(*kind);
        const auto [at, bytes] = *range;
        const bool done =
            insert ? target_.insert(point, at, bytes) : target_.remove(point, at, bytes);
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

} // namespace ulna::runtime::debug
