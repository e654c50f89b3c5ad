#include "runtime/devices/virtio/vhost_user.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

constexpr u32 kBlockId = 2, kFileSystemId = 26;
constexpr u32 kQueueEntries = 256;
// Feature bits of device types are below these of rings and transports (section 6).
constexpr u64 kDeviceFeatures = (u64{1} << 24) - 1;
constexpr u64 kBlockMultiQueue = u64{1} << 12; // we have one queue
constexpr u64 kProtocolFeatures = u64{1} << 30;
constexpr u64 kProtocolConfig = u64{1} << 9;
constexpr u32 kBlockConfigBytes = 60;
constexpr u32 kTagBytes = 36;
constexpr u32 kMostConfigBytes = 256;
constexpr size_t kMostRegions = 8;

struct VringState {
    u32 queue, value;
};
struct VringAddress {
    u32 queue, flags;
    u64 descriptors, used, available, log;
};
struct Region {
    u64 guest_address, bytes, our_address, offset_in_fd;
};
struct MemoryTable {
    u32 regions, padding;
    Region region[kMostRegions];
};
struct ConfigHeader {
    u32 offset, bytes, flags;
};

u64 address_of(const u8* host) { return reinterpret_cast<u64>(host); }

template <class T> std::span<const u8> bytes_of(const T& value) {
    return {reinterpret_cast<const u8*>(&value), sizeof value};
}

std::vector<u32> queue_sizes(unsigned queues) { return std::vector<u32>(queues, kQueueEntries); }

} // namespace

VhostUser::VhostUser(EventLoop& loop, const PhysicalMemory& memory, u32 id, unsigned queues)
    : VirtioDevice(queue_sizes(queues)), loop_(loop), memory_(memory), id_(id), rings_(queues) {}

std::unique_ptr<VhostUser> VhostUser::open_block(EventLoop& loop,
                                                 const PhysicalMemory& memory,
                                                 const std::string& path,
                                                 std::string& why_not) {
    auto device = std::unique_ptr<VhostUser>(new VhostUser(loop, memory, kBlockId, 1));
    const bool is_open =
        device->connect(path, why_not) && device->read_config(kBlockConfigBytes, why_not);
    if (!is_open) {
        why_not = "cannot use the vhost-user disk at '" + path + "': " + why_not;
    }
    return is_open ? std::move(device) : nullptr;
}

std::unique_ptr<VhostUser> VhostUser::open_file_system(EventLoop& loop,
                                                       const PhysicalMemory& memory,
                                                       const std::string& path,
                                                       const std::string& tag,
                                                       std::string& why_not) {
    // One queue for requests that cannot wait, one for all others (section 5.11).
    auto device = std::unique_ptr<VhostUser>(new VhostUser(loop, memory, kFileSystemId, 2));
    if (tag.empty() || tag.size() > kTagBytes) {
        why_not = "the tag of a file system has 1 to 36 characters";
        return nullptr;
    }
    if (!device->connect(path, why_not)) {
        why_not = "cannot use the vhost-user file system at '" + path + "': " + why_not;
        return nullptr;
    }
    device->config_.assign(kTagBytes + 4, 0);
    std::copy(tag.begin(), tag.end(), device->config_.begin());
    device->config_[kTagBytes] = 1; // queues for requests
    return device;
}

bool VhostUser::connect(const std::string& path, std::string& why_not) {
    for (const PhysicalMemory::Ram& ram : memory_.ram_ranges()) {
        if (ram.fd < 0 && ram.space == Space::NonSecure) {
            why_not = "the machine's memory is not shared";
            return false;
        }
    }
    if (!link_.connect(path, why_not)) {
        return false;
    }
    why_not = "it does not speak the protocol";
    if (!link_.send(VhostRequest::SetOwner, {}) ||
        !link_.ask_number(VhostRequest::GetFeatures, offered_)) {
        return false;
    }
    if ((offered_ & kFeatureVersion1) == 0) {
        why_not = "it only knows the legacy interface";
        return false;
    }
    if ((offered_ & kProtocolFeatures) != 0) {
        u64 offered = 0;
        if (!link_.ask_number(VhostRequest::GetProtocolFeatures, offered)) {
            return false;
        }
        protocol_features_ = offered & kProtocolConfig;
        if (!link_.send_struct(VhostRequest::SetProtocolFeatures, protocol_features_)) {
            return false;
        }
    }
    for (unsigned queue = 0; queue < rings_.size(); ++queue) {
        rings_[queue].kick = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        rings_[queue].call = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!rings_[queue].kick || !rings_[queue].call) {
            why_not = std::strerror(errno);
            return false;
        }
        loop_.add_fd(rings_[queue].call.get(), EPOLLIN, [this, queue](u32) { on_call(queue); });
    }
    watched_link_ = link_.socket();
    loop_.add_fd(watched_link_, EPOLLIN, [this](u32) { on_link(); });
    return true;
}

bool VhostUser::read_config(u32 bytes, std::string& why_not) {
    struct {
        ConfigHeader header;
        u8 config[kBlockConfigBytes];
    } message{{0, bytes, 0}, {}};
    static_assert(kBlockConfigBytes <= kMostConfigBytes);
    auto answer = message;
    why_not = "it does not tell its configuration";
    if ((protocol_features_ & kProtocolConfig) == 0 ||
        !link_.ask(VhostRequest::GetConfig, bytes_of(message),
                   {reinterpret_cast<u8*>(&answer), sizeof answer})) {
        return false;
    }
    config_.assign(answer.config, answer.config + bytes);
    return true;
}

VhostUser::~VhostUser() {
    for (const Ring& ring : rings_) {
        if (ring.call) {
            loop_.remove_fd(ring.call.get());
        }
    }
    if (watched_link_ >= 0) {
        loop_.remove_fd(watched_link_);
    }
}

u64 VhostUser::features() const {
    return offered_ & kDeviceFeatures & ~(id_ == kBlockId ? kBlockMultiQueue : 0);
}

void VhostUser::write_config(u64 offset, unsigned bytes, u64 value) {
    if (offset + bytes > config_.size() || (protocol_features_ & kProtocolConfig) == 0) {
        return;
    }
    struct [[gnu::packed]] {
        ConfigHeader header;
        u64 value;
    } message{{static_cast<u32>(offset), bytes, 0}, value};
    std::memcpy(&config_[offset], &value, bytes);
    if (!link_.send(VhostRequest::SetConfig,
                    bytes_of(message).first(sizeof(ConfigHeader) + bytes))) {
        fail();
    }
}

// --- queues. A ring starts with its first notification, which comes with DRIVER_OK at the latest.

void VhostUser::notified(unsigned queue) {
    Ring& ring = rings_[queue];
    if (!ring.runs) {
        ring.runs = (has_session_ || start_session()) && start_ring(queue);
        if (!ring.runs) {
            return fail();
        }
    }
    const u64 one = 1;
    (void)!write(ring.kick.get(), &one, sizeof one); // full: it has been kicked
}

bool VhostUser::start_session() {
    MemoryTable table{};
    std::vector<int> fds;
    for (const PhysicalMemory::Ram& ram : memory_.ram_ranges()) {
        if (ram.space == Space::Secure) {
            continue; // devices are Non-secure
        }
        if (fds.size() == kMostRegions) {
            return false;
        }
        table.region[fds.size()] = {ram.base, ram.bytes, address_of(ram.host), 0};
        fds.push_back(ram.fd);
    }
    table.regions = static_cast<u32>(fds.size());
    const u64 features = negotiated() | (offered_ & kProtocolFeatures);
    has_session_ = link_.send_struct(VhostRequest::SetFeatures, features) &&
                   link_.send(VhostRequest::SetMemTable,
                              bytes_of(table).first(8 + fds.size() * sizeof(Region)), fds);
    return has_session_;
}

bool VhostUser::start_ring(unsigned queue) {
    const Virtqueue::Setup& setup = this->queue(queue).setup();
    const auto host = [this](PhysAddr at) { return address_of(memory_.ram(at, 1)); };
    const VringAddress address{
        queue, 0, host(setup.descriptors), host(setup.device_area), host(setup.driver_area), 0};
    const auto state = [&](VhostRequest request, u32 value) {
        return link_.send_struct(request, VringState{queue, value});
    };
    const u64 number = queue;
    return state(VhostRequest::SetVringNum, setup.entries) &&
           state(VhostRequest::SetVringBase, 0) &&
           link_.send_struct(VhostRequest::SetVringAddr, address) &&
           link_.send_struct(VhostRequest::SetVringCall, number, {rings_[queue].call.get()}) &&
           link_.send_struct(VhostRequest::SetVringKick, number, {rings_[queue].kick.get()}) &&
           ((offered_ & kProtocolFeatures) == 0 || state(VhostRequest::SetVringEnable, 1));
}

// The answer is given when the back end has finished what it had begun.
void VhostUser::stop(unsigned queue) {
    if (!rings_[queue].runs) {
        return;
    }
    rings_[queue].runs = false;
    VringState state{queue, 0};
    if (!link_.ask(VhostRequest::GetVringBase, bytes_of(state),
                   {reinterpret_cast<u8*>(&state), sizeof state})) {
        fail();
    }
    u64 count;
    (void)!read(rings_[queue].call.get(), &count, sizeof count); // not for the next driver
}

// --- the back end's side

void VhostUser::on_call(unsigned queue) {
    u64 count;
    if (read(rings_[queue].call.get(), &count, sizeof count) == sizeof count &&
        rings_[queue].runs) {
        driver().buffers_used(queue);
    }
}

void VhostUser::on_link() {
    if (link_.is_lost() || link_.has_ended()) {
        fail();
    }
}

// The back end has gone, or makes no sense: the device is of no use any more.
void VhostUser::fail() {
    if (watched_link_ >= 0) {
        loop_.remove_fd(watched_link_);
        watched_link_ = -1;
    }
    link_.lose();
    for (Ring& ring : rings_) {
        ring.runs = false;
    }
    if (has_driver()) {
        driver().ask_for_reset("the vhost-user back end has gone");
    }
}

} // namespace ulna::devices::virtio
