// Descriptors that clients pass with their messages (SCM_RIGHTS), and the names that they give them
// by `getfd`, for networks that are added later. From any thread.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/file_descriptor.h"

namespace ulna::system::qmp {

class PassedDescriptors {
  public:
    // One that has no name yet; of more than a few the oldest goes.
    void arrived(runtime::FileDescriptor descriptor);
    // The oldest of those gets it, in place of what had it. Says why not.
    [[nodiscard]] std::string give_name(const std::string& name);
    [[nodiscard]] bool close(const std::string& name); // false: there is none
    // What has the name, which is the caller's now; it may be none.
    [[nodiscard]] runtime::FileDescriptor take(const std::string& name);

  private:
    std::mutex lock_;
    std::deque<runtime::FileDescriptor> unnamed_;
    std::map<std::string, runtime::FileDescriptor> named_;
};

} // namespace ulna::system::qmp
