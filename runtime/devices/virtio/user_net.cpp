// The only user of libslirp, which CMakeLists.txt looks for; without it this says so.
#include "runtime/devices/virtio/user_net.h"

#ifdef ULNA_HAS_SLIRP

#include <arpa/inet.h>
#include <slirp/libslirp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include "runtime/debug/log.h"

namespace ulna::devices::virtio {
namespace {

constexpr u64 kNsPerMs = 1'000'000;
constexpr u32 kNetwork = 0x0a00'0200; // 10.0.2.0
constexpr u32 kNetmask = 0xffff'ff00;
constexpr u32 kGateway = kNetwork + 2;
constexpr u32 kNameServer = kNetwork + 3;
constexpr u32 kFirstGuest = kNetwork + 15;

in_addr ipv4(u32 address) { return {.s_addr = htonl(address)}; }

in6_addr ipv6(const char* text) {
    in6_addr address{};
    inet_pton(AF_INET6, text, &address);
    return address;
}

// Slirp's events and epoll's.
constexpr struct {
    int slirp;
    u32 epoll;
} kEvents[] = {
    {SLIRP_POLL_IN, EPOLLIN},   {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI},
    {SLIRP_POLL_ERR, EPOLLERR}, {SLIRP_POLL_HUP, EPOLLHUP},
};

// Slirp's descriptors change all the time and are reported to it all at once, so they have an epoll
// set of their own, which the event loop watches.
class UserNet final : public NetBackend {
  public:
    explicit UserNet(EventLoop& loop) : loop_(loop) {}
    ~UserNet() override;

    [[nodiscard]] bool start(const UserNetOptions& options, std::string& why_not);
    void connect(FrameReceiver* receiver) override { receiver_ = receiver; }
    void send(std::span<const u8> frame) override;
    void forget_past() override;

  private:
    struct SlirpTimer { // what slirp calls a timer
        std::unique_ptr<EventLoop::Timer> timer;
    };

    [[nodiscard]] bool start_slirp(std::string& why_not);
    [[nodiscard]] bool forward(const HostForward& forward, std::string& why_not);
    void before_wait();
    void set_timeout(u32 timeout_ms);
    int watch(int fd, int events);
    void collect();
    void serve();
    [[nodiscard]] int happened(int index) const;
    void forget(int fd);

    static UserNet& self(void* opaque) { return *static_cast<UserNet*>(opaque); }
    static const SlirpCb kCallbacks;

    EventLoop& loop_;
    UserNetOptions options_;
    Slirp* slirp_ = nullptr;
    FrameReceiver* receiver_ = nullptr;
    int epoll_ = -1;
    std::unique_ptr<EventLoop::Timer> timeout_;
    u64 deadline_ = 0; // of timeout_
    struct Watched {
        u32 events;
        bool wanted; // since the last question
    };
    std::map<int, Watched> watched_; // descriptors in the set
    std::vector<int> asked_;         // descriptors by slirp's index, of the last question
    std::map<int, u32> happened_;
    bool loop_is_called_ = false;
    // The loop has no way to take this call back, so the call knows whether there is still anyone.
    std::shared_ptr<UserNet*> alive_ = std::make_shared<UserNet*>(this);
};

const SlirpCb UserNet::kCallbacks = {
    .send_packet = [](const void* frame, size_t bytes, void* opaque) -> ssize_t {
        if (FrameReceiver* receiver = self(opaque).receiver_) {
            receiver->receive({static_cast<const u8*>(frame), bytes});
        }
        return static_cast<ssize_t>(bytes);
    },
    .guest_error =
        [](const char* message, void*) {
            if (runtime::debug::log_enabled(runtime::debug::Item::GuestErrors)) {
                runtime::debug::log_printf("user network: %s\n", message);
            }
        },
    .clock_get_ns = [](void*) { return static_cast<int64_t>(monotonic_ns()); },
    .timer_new = [](SlirpTimerCb call, void* argument, void* opaque) -> void* {
        return new SlirpTimer{self(opaque).loop_.add_timer([call, argument] { call(argument); },
                                                           EventLoop::Time::Host)};
    },
    .timer_free = [](void* timer, void*) { delete static_cast<SlirpTimer*>(timer); },
    .timer_mod =
        [](void* timer, int64_t at_ms, void*) {
            static_cast<SlirpTimer*>(timer)->timer->set(static_cast<u64>(at_ms) * kNsPerMs);
        },
    .register_poll_fd = [](int, void*) {},
    .unregister_poll_fd = [](int fd, void* opaque) { self(opaque).forget(fd); },
    .notify = [](void* opaque) { self(opaque).loop_.post([] {}); },
};

bool UserNet::start(const UserNetOptions& options, std::string& why_not) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) {
        why_not = std::string("cannot have a user network: ") + std::strerror(errno);
        return false;
    }
    options_ = options;
    if (!start_slirp(why_not)) {
        return false;
    }
    timeout_ = loop_.add_timer([this] { serve(); }, EventLoop::Time::Host);
    loop_.add_fd(epoll_, EPOLLIN, [this](u32) {
        collect();
        serve();
    });
    loop_.add_before_wait([alive = alive_] {
        if (*alive != nullptr) {
            (*alive)->before_wait();
        }
    });
    return true;
}

bool UserNet::start_slirp(std::string& why_not) {
    SlirpConfig config{};
    config.version = 1;
    config.restricted = options_.restricted ? 1 : 0;
    config.in_enabled = true;
    config.vnetwork = ipv4(kNetwork);
    config.vnetmask = ipv4(kNetmask);
    config.vhost = ipv4(kGateway);
    config.vdhcp_start = ipv4(kFirstGuest);
    config.vnameserver = ipv4(kNameServer);
    config.in6_enabled = options_.ipv6;
    config.vprefix_addr6 = ipv6("fec0::");
    config.vprefix_len = 64;
    config.vhost6 = ipv6("fec0::2");
    config.vnameserver6 = ipv6("fec0::3");
    slirp_ = slirp_new(&config, &kCallbacks, this);
    if (slirp_ == nullptr) {
        why_not = "cannot have a user network: libslirp refuses";
        return false;
    }
    for (const HostForward& port : options_.forwards) {
        if (!forward(port, why_not)) {
            return false;
        }
    }
    return true;
}

// A new network in place of the old: the guest's connections are refused by it, instead of being
// answered for another guest's.
void UserNet::forget_past() {
    while (!watched_.empty()) { // before their numbers are others'
        forget(watched_.begin()->first);
    }
    asked_.clear();
    slirp_cleanup(slirp_);
    std::string why_not;
    if (!start_slirp(why_not)) {
        std::fprintf(stderr, "ulna-system: %s\n", why_not.c_str());
    }
    loop_.post([] {}); // other descriptors are to be waited for
}

UserNet::~UserNet() {
    *alive_ = nullptr;
    if (timeout_ != nullptr) {
        loop_.remove_fd(epoll_);
    }
    receiver_ = nullptr;
    if (slirp_ != nullptr) {
        slirp_cleanup(slirp_);
    }
    if (epoll_ >= 0) {
        close(epoll_);
    }
}

bool UserNet::forward(const HostForward& port, std::string& why_not) {
    const u32 guest = port.guest_address != 0 ? port.guest_address : kFirstGuest;
    if (slirp_add_hostfwd(slirp_, port.udp ? 1 : 0, ipv4(port.host_address), port.host_port,
                          ipv4(guest), port.guest_port) == 0) {
        return true;
    }
    why_not = "cannot forward " + std::string(port.udp ? "UDP" : "TCP") + " port " +
              std::to_string(port.host_port) + " of the host: " + std::strerror(errno);
    return false;
}

// What the guest sends changes which descriptors slirp waits for and until when, while the loop may
// be waiting; once a turn of the loop is enough to call it.
void UserNet::send(std::span<const u8> frame) {
    slirp_input(slirp_, frame.data(), static_cast<int>(frame.size()));
    if (!loop_is_called_) {
        loop_is_called_ = true;
        loop_.post([] {});
    }
}

void UserNet::before_wait() {
    loop_is_called_ = false;
    asked_.clear();
    for (auto& [fd, watched] : watched_) {
        watched.wanted = false;
    }
    u32 timeout_ms = ~u32{0};
    slirp_pollfds_fill(
        slirp_, &timeout_ms,
        [](int fd, int events, void* opaque) { return self(opaque).watch(fd, events); }, this);
    for (auto at = watched_.begin(); at != watched_.end();) {
        const auto [fd, watched] = *at++;
        if (!watched.wanted) {
            forget(fd);
        }
    }
    set_timeout(timeout_ms);
}

// Slirp counts from now, but means from when it was last served, and the loop may turn often.
void UserNet::set_timeout(u32 timeout_ms) {
    const u64 deadline = monotonic_ns() + timeout_ms * kNsPerMs;
    if (timeout_ms != ~u32{0} && (!timeout_->is_set() || deadline < deadline_)) {
        deadline_ = deadline;
        timeout_->set(deadline);
    }
}

int UserNet::watch(int fd, int events) {
    epoll_event event{};
    event.data.fd = fd;
    for (const auto& pair : kEvents) {
        event.events |= (events & pair.slirp) != 0 ? pair.epoll : 0;
    }
    const auto [at, is_new] = watched_.try_emplace(fd);
    if (is_new || at->second.events != event.events) {
        epoll_ctl(epoll_, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    }
    at->second = {event.events, true};
    asked_.push_back(fd);
    return static_cast<int>(asked_.size()) - 1;
}

// Before slirp closes a descriptor, too, whose number may soon be another one's.
void UserNet::forget(int fd) {
    if (watched_.erase(fd) != 0) {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    }
    happened_.erase(fd);
}

void UserNet::collect() {
    std::array<epoll_event, 64> events; // what does not fit is reported again
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        happened_[events[static_cast<size_t>(i)].data.fd] |= events[static_cast<size_t>(i)].events;
    }
}

void UserNet::serve() {
    timeout_->cancel();
    slirp_pollfds_poll(
        slirp_, 0, [](int index, void* opaque) { return self(opaque).happened(index); }, this);
    happened_.clear();
}

int UserNet::happened(int index) const {
    if (index < 0 || static_cast<size_t>(index) >= asked_.size()) {
        return 0;
    }
    const auto found = happened_.find(asked_[static_cast<size_t>(index)]);
    int events = 0;
    if (found != happened_.end()) {
        for (const auto& pair : kEvents) {
            events |= (found->second & pair.epoll) != 0 ? pair.slirp : 0;
        }
    }
    return events;
}

} // namespace

std::unique_ptr<NetBackend>
open_user_net(EventLoop& loop, const UserNetOptions& options, std::string& why_not) {
    auto net = std::make_unique<UserNet>(loop);
    return net->start(options, why_not) ? std::move(net) : nullptr;
}

} // namespace ulna::devices::virtio

#else

namespace ulna::devices::virtio {

std::unique_ptr<NetBackend> open_user_net(EventLoop&, const UserNetOptions&, std::string& why_not) {
    why_not = "this build has no user network: libslirp was not there";
    return nullptr;
}

} // namespace ulna::devices::virtio

#endif
