// An interface of the host's (TAP) as a network; what is behind it is the host's business.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "runtime/devices/virtio/net_options.h"
#include "runtime/devices/virtio/packet_net.h"

namespace ulna::devices::virtio {
namespace {

using runtime::FileDescriptor;

FileDescriptor open_interface(const TapNetOptions& options, std::string& why_not) {
    const std::string what = "network: interface '" + options.name + "': ";
    ifreq request{};
    if (options.name.size() >= sizeof request.ifr_name) {
        why_not = what + std::strerror(ENAMETOOLONG);
        return {};
    }
    options.name.copy(request.ifr_name, options.name.size());
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    FileDescriptor fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        why_not = std::string("network: cannot open /dev/net/tun: ") + std::strerror(errno);
        return {};
    }
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
        why_not = what + std::strerror(errno);
        return {};
    }
    return fd;
}

// Whoever opened it may have asked for headers that tell of offloads, of which we know none.
u64 header_bytes(int fd) {
    ifreq request{};
    int bytes = 0;
    const bool has_header =
        ioctl(fd, TUNGETIFF, &request) == 0 && (request.ifr_flags & IFF_VNET_HDR) != 0;
    if (!has_header || ioctl(fd, TUNGETVNETHDRSZ, &bytes) != 0) {
        return 0;
    }
    (void)ioctl(fd, TUNSETOFFLOAD, 0);
    return static_cast<u64>(bytes);
}

} // namespace

std::unique_ptr<NetBackend>
open_tap_net(EventLoop& loop, const TapNetOptions& options, std::string& why_not) {
    FileDescriptor fd =
        options.fd >= 0 ? FileDescriptor{options.fd} : open_interface(options, why_not);
    if (!fd) {
        return nullptr;
    }
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
        why_not = "network: descriptor " + std::to_string(options.fd) + ": " + std::strerror(errno);
        (void)fd.release(); // it is none
        return nullptr;
    }
    const u64 header = header_bytes(fd.get());
    return std::make_unique<PacketNet>(loop, std::move(fd),
                                       PacketNet::Options{.header_bytes = header});
}

} // namespace ulna::devices::virtio
