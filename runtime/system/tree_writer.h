// Writes a flattened device tree, node by node, over libfdt's sequential interface.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::system {

class TreeWriter {
  public:
    TreeWriter();

    // A node with what `body` writes into it.
    template <class Body> void node(const std::string& name, Body&& body) {
        begin(name);
        body();
        end();
    }
    void flag(const char* name);
    void text(const char* name, const std::string& value);
    void texts(const char* name, std::initializer_list<const char*> values);
    void cells(const char* name, std::initializer_list<u32> values);
    void cells(const char* name, const std::vector<u32>& values);
    // Pairs of address and size, of two cells each.
    void ranges(const char* name, std::initializer_list<u64> values);

    // The finished tree. Nothing may be written after it.
    [[nodiscard]] std::vector<u8> finish();

  private:
    void begin(const std::string& name);
    void end();
    void property(const char* name, const void* bytes, std::size_t count);

    std::vector<u8> blob_;
};

} // namespace ulna::system
