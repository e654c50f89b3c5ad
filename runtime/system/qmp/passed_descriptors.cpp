#include "runtime/system/qmp/passed_descriptors.h"

#include <utility>

namespace ulna::system::qmp {

void PassedDescriptors::arrived(runtime::FileDescriptor descriptor) {
    constexpr std::size_t kMost = 16;
    const std::lock_guard held{lock_};
    unnamed_.push_back(std::move(descriptor));
    if (unnamed_.size() > kMost) {
        unnamed_.pop_front();
    }
}

std::string PassedDescriptors::give_name(const std::string& name) {
    const std::lock_guard held{lock_};
    if (unnamed_.empty()) {
        return "No file descriptor supplied via SCM_RIGHTS";
    }
    named_[name] = std::move(unnamed_.front());
    unnamed_.pop_front();
    return "";
}

bool PassedDescriptors::close(const std::string& name) {
    const std::lock_guard held{lock_};
    return named_.erase(name) != 0;
}

runtime::FileDescriptor PassedDescriptors::take(const std::string& name) {
    const std::lock_guard held{lock_};
    const auto found = named_.find(name);
    if (found == named_.end()) {
        return {};
    }
    runtime::FileDescriptor taken = std::move(found->second);
    named_.erase(found);
    return taken;
}

} // namespace ulna::system::qmp
