// What the server has compiled: the same request has the same answer. A tree of processes that run
// the same programs asks for the same regions, each before the others' are in the persistent cache.
#pragma once

#include <unordered_map>
#include <utility>

#include "runtime/tier2/messages.h"

namespace ulna::tier2_server {

class KnownAnswers {
  public:
    // Two independent hashes of an encoded request, which holds whole pages of code.
    using Key = std::pair<u64, u64>;
    [[nodiscard]] static Key key_of(std::span<const u8> request);

    // The encoded answer; null: not asked before.
    [[nodiscard]] const std::vector<u8>* find(Key request) const;
    // As it is to be given again, for which nothing is compiled.
    void add(Key request, runtime::CompileAnswer answer);

  private:
    // Some 30,000 regions of a program that has all its code compiled.
    static constexpr u64 kMostBytes = 64u << 20;

    struct Hash {
        std::size_t operator()(Key key) const { return key.first; }
    };

    std::unordered_map<Key, std::vector<u8>, Hash> answers_;
    u64 bytes_ = 0;
};

} // namespace ulna::tier2_server
