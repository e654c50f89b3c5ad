// jit-PID.dump in the working directory, in perf's format for code that is made at run time (Linux,
// tools/perf/Documentation/jitdump-specification.txt).
#pragma once

#include <string>

#include "ir/support/types.h"
#include "runtime/file_descriptor.h"

namespace ulna::runtime::debug {

class JitDump {
  public:
    JitDump();
    ~JitDump();
    JitDump(const JitDump&) = delete;
    JitDump& operator=(const JitDump&) = delete;

    // "", or why it could not be made, in words.
    [[nodiscard]] const std::string& why_not() const { return why_not_; }
    // Code that is there now. What was at these addresses before is no more.
    void add(u64 host, u32 bytes, const std::string& name);

  private:
    FileDescriptor file_;
    void* marker_ = nullptr; // by which `perf record` finds the file
    u64 count_ = 0;
    std::string why_not_;
};

} // namespace ulna::runtime::debug
