#include "runtime/debug/perf_files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <vector>

#include "runtime/debug/jit_dump.h"
#include "runtime/file_descriptor.h"

namespace ulna::runtime::debug {

namespace {

class PerfMap {
  public:
    PerfMap() {
        const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
        file_ = renumbered(
            FileDescriptor{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)},
            kLowestOwnDescriptor);
        if (!file_) {
            why_not_ = path + ": " + std::strerror(errno);
        }
    }
    // "", or why it could not be made, in words.
    [[nodiscard]] const std::string& why_not() const { return why_not_; }
    void add(u64 host, u32 host_bytes, const std::string& name) {
        ::dprintf(file_.get(), "%llx %x %s\n", static_cast<unsigned long long>(host), host_bytes,
                  name.c_str());
    }

  private:
    FileDescriptor file_;
    std::string why_not_;
};

// Remembers what it was told, for children.
class PerfOutput {
  public:
    PerfOutput(PerfFiles files, FunctionNames names) : files_(files), names_(names) {}

    [[nodiscard]] std::string open() {
        map_ = files_.map ? std::make_unique<PerfMap>() : nullptr;
        jit_dump_ = files_.jit_dump ? std::make_unique<JitDump>() : nullptr;
        const std::string why = map_ != nullptr ? map_->why_not() : "";
        return why.empty() && jit_dump_ != nullptr ? jit_dump_->why_not() : why;
    }
    void add(u64 host, u32 host_bytes, std::string name) {
        write({host, host_bytes, name});
        told_.push_back({host, host_bytes, std::move(name)});
    }
    [[nodiscard]] std::string name_of(GuestAddr pc) const {
        std::string name = names_ != nullptr ? names_(pc) : "";
        if (name.empty()) {
            char address[32];
            std::snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(pc));
            name = address;
        }
        return "guest:" + name;
    }
    void after_fork() {
        if (!open().empty()) { // the guest knows nothing of it
            map_.reset();
            jit_dump_.reset();
        }
        for (const Code& code : told_) {
            write(code);
        }
    }

  private:
    struct Code {
        u64 host;
        u32 bytes;
        std::string name;
    };
    void write(const Code& code) {
        if (map_ != nullptr) {
            map_->add(code.host, code.bytes, code.name);
        }
        if (jit_dump_ != nullptr) {
            jit_dump_->add(code.host, code.bytes, code.name);
        }
    }

    PerfFiles files_;
    FunctionNames names_;
    std::unique_ptr<PerfMap> map_;
    std::unique_ptr<JitDump> jit_dump_;
    std::vector<Code> told_;
};

std::unique_ptr<PerfOutput> output; // null: nobody asked

} // namespace

std::string open_perf_files(PerfFiles files, FunctionNames names) {
    if (!files.map && !files.jit_dump) {
        return "";
    }
    output = std::make_unique<PerfOutput>(files, names);
    return output->open();
}

void perf_block(u64 host, u32 host_bytes, GuestAddr pc) {
    if (output != nullptr) {
        output->add(host, host_bytes, output->name_of(pc));
    }
}

void perf_stubs(u64 host, u32 host_bytes) {
    if (output != nullptr) {
        output->add(host, host_bytes, "ulna-stubs");
    }
}

void perf_after_fork() {
    if (output != nullptr) {
        output->after_fork();
    }
}

} // namespace ulna::runtime::debug
