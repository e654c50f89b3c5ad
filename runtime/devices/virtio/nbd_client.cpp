#include "runtime/devices/virtio/nbd_client.h"

#include <endian.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/host_socket.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

// The NBD protocol's document, "Values"; all big-endian.
constexpr u64 kServerMagic = 0x4e42444d41474943; // "NBDMAGIC"
constexpr u64 kOptionMagic = 0x49484156454f5054; // "IHAVEOPT"
constexpr u64 kAnswerMagic = 0x3e889045565a9;
constexpr u32 kRequestMagic = 0x25609513;
constexpr u32 kReplyMagic = 0x67446698;
constexpr u16 kFixedNewstyle = 1;
constexpr u16 kNoZeroes = 2;
constexpr u32 kOptionGo = 7;
constexpr u32 kAnswerAck = 1, kAnswerInfo = 3, kAnswerError = 1u << 31;
constexpr u16 kInfoExport = 0;
constexpr u16 kExportReadOnly = 1 << 1, kExportFlush = 1 << 2, kExportTrim = 1 << 5,
              kExportWriteZeroes = 1 << 6;
enum Command : u16 { kRead = 0, kWrite = 1, kDisconnect = 2, kFlush = 3, kTrim = 4, kZero = 6 };

constexpr u64 kMostBytes = 32 << 20;   // of a request, that every server takes
constexpr u32 kMostAnswerBytes = 4096; // of the handshake's
constexpr u64 kMostDiskBytes = u64{1} << 62;

void append(std::vector<u8>& to, auto value) {
    for (size_t i = sizeof value; i-- > 0;) {
        to.push_back(static_cast<u8>(value >> (8 * i)));
    }
}

iovec piece_of(void* at, size_t bytes) { return {at, bytes}; }

// Lets preadv-like calls do a part: takes what is done off the list.
void take_off(std::vector<iovec>& list, u64 done) {
    size_t whole = 0;
    while (whole < list.size() && done >= list[whole].iov_len) {
        done -= list[whole++].iov_len;
    }
    list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(whole));
    if (!list.empty()) {
        list[0].iov_base = static_cast<u8*>(list[0].iov_base) + done;
        list[0].iov_len -= done;
    }
}

// Sends or receives all of a list by `call`, which is sendmsg or recvmsg.
template <class Call> bool transfer_all(std::vector<iovec> list, Call call) {
    take_off(list, 0); // empty pieces
    while (!list.empty()) {
        msghdr message{};
        message.msg_iov = list.data();
        message.msg_iovlen = std::min<size_t>(list.size(), 1024);
        const ssize_t done = call(&message);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        take_off(list, static_cast<u64>(done));
    }
    return true;
}

} // namespace

std::optional<NbdClient::Address> NbdClient::parse(std::string_view text) {
    constexpr std::string_view kPrefix = "nbd:", kUnix = "unix:", kName = ":exportname=";
    if (text.substr(0, kPrefix.size()) != kPrefix) {
        return std::nullopt;
    }
    text.remove_prefix(kPrefix.size());
    Address address;
    if (const size_t at = text.find(kName); at != std::string_view::npos) {
        address.export_name = text.substr(at + kName.size());
        text = text.substr(0, at);
    }
    if (text.substr(0, kUnix.size()) == kUnix) {
        address.path = text.substr(kUnix.size());
        return address.path.empty() ? std::nullopt : std::optional(address);
    }
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
        return std::nullopt;
    }
    address.host = text.substr(0, colon);
    address.port = text.substr(colon + 1);
    return address;
}

std::unique_ptr<NbdClient>
NbdClient::connect(const Address& address, bool read_only, std::string& why_not) {
    std::string wrong;
    FileDescriptor socket = address.path.empty()
                                ? runtime::connect_tcp(address.host, address.port, wrong)
                                : runtime::connect_unix(address.path, wrong);
    const std::string name =
        address.path.empty() ? address.host + ":" + address.port : address.path;
    std::unique_ptr<NbdClient> client;
    if (socket) {
        client.reset(new NbdClient(std::move(socket)));
        wrong = client->negotiate(address.export_name);
        client->is_lost_ = !wrong.empty();
        const bool server_reads_only = (client->export_flags_ & kExportReadOnly) != 0;
        if (wrong.empty() && server_reads_only && !read_only) {
            wrong = "it is for reading only";
        }
        client->read_only_ = read_only;
    }
    if (!wrong.empty()) {
        why_not = "cannot use the NBD server at '" + name + "': " + wrong;
        return nullptr;
    }
    return client;
}

NbdClient::~NbdClient() {
    if (!is_lost_) {
        (void)request(kDisconnect, 0, 0, {}, {});
    }
}

// --- handshake ("fixed newstyle")

std::string NbdClient::negotiate(const std::string& export_name) {
    struct [[gnu::packed]] {
        u64 magic, option_magic;
        u16 flags;
    } hello;
    if (!receive_all({piece_of(&hello, sizeof hello)})) {
        return "it says nothing";
    }
    if (be64toh(hello.magic) != kServerMagic || be64toh(hello.option_magic) != kOptionMagic ||
        (be16toh(hello.flags) & kFixedNewstyle) == 0) {
        return "it does not speak the protocol (fixed newstyle)";
    }
    std::vector<u8> answer;
    append(answer, u32{be16toh(hello.flags)} & (kFixedNewstyle | kNoZeroes));
    append(answer, kOptionMagic);
    append(answer, kOptionGo);
    append(answer, static_cast<u32>(4 + export_name.size() + 2));
    append(answer, static_cast<u32>(export_name.size()));
    answer.insert(answer.end(), export_name.begin(), export_name.end());
    append(answer, u16{0}); // no special wishes
    if (!send_all({piece_of(answer.data(), answer.size())})) {
        return "it has gone";
    }
    return read_option_answers();
}

std::string NbdClient::read_option_answers() {
    while (true) {
        struct [[gnu::packed]] {
            u64 magic;
            u32 option, type, bytes;
        } head;
        if (!receive_all({piece_of(&head, sizeof head)}) || be64toh(head.magic) != kAnswerMagic ||
            be32toh(head.bytes) > kMostAnswerBytes) {
            return "its answer makes no sense";
        }
        std::vector<u8> data(be32toh(head.bytes));
        if (!receive_all({piece_of(data.data(), data.size())})) {
            return "it has gone";
        }
        const u32 type = be32toh(head.type);
        if ((type & kAnswerError) != 0) {
            return "it refuses: " + std::string(data.begin(), data.end());
        }
        if (type == kAnswerAck) {
            return bytes_ == 0 ? "it has no disk, or an empty one" : "";
        }
        struct [[gnu::packed]] {
            u16 type;
            u64 bytes;
            u16 flags;
        } info;
        if (type == kAnswerInfo && data.size() >= sizeof info) {
            std::memcpy(&info, data.data(), sizeof info);
            if (be16toh(info.type) == kInfoExport) {
                bytes_ = std::min(be64toh(info.bytes), kMostDiskBytes) & ~(kSectorBytes - 1);
                export_flags_ = be16toh(info.flags);
            }
        }
    }
}

// --- transmission

bool NbdClient::send_all(std::vector<iovec> list) {
    return transfer_all(std::move(list), [this](const msghdr* message) {
        return sendmsg(socket_.get(), message, MSG_NOSIGNAL);
    });
}

bool NbdClient::receive_all(std::vector<iovec> list) {
    return transfer_all(std::move(list),
                        [this](msghdr* message) { return recvmsg(socket_.get(), message, 0); });
}

int NbdClient::request(u16 command, u64 offset, u64 bytes, Scatter out, Scatter in) {
    if (is_lost_) {
        return EIO;
    }
    std::vector<u8> head;
    append(head, kRequestMagic);
    append(head, u16{0});
    append(head, command);
    append(head, ++cookie_);
    append(head, offset);
    append(head, static_cast<u32>(bytes));
    std::vector<iovec> list{piece_of(head.data(), head.size())};
    list.insert(list.end(), out.begin(), out.end());
    is_lost_ = !send_all(std::move(list)) || command == kDisconnect;
    if (is_lost_) {
        return EIO;
    }
    struct [[gnu::packed]] {
        u32 magic, error;
        u64 cookie;
    } reply;
    is_lost_ = !receive_all({piece_of(&reply, sizeof reply)}) ||
               be32toh(reply.magic) != kReplyMagic || be64toh(reply.cookie) != cookie_;
    if (is_lost_ || reply.error != 0) {
        // Errors are numbered as Linux does, as far as a server may use them.
        return is_lost_ ? EIO : static_cast<int>(be32toh(reply.error));
    }
    is_lost_ = !receive_all({in.begin(), in.end()});
    return is_lost_ ? EIO : 0;
}

int NbdClient::do_read(u64 offset, Scatter to) {
    int error = 0;
    const u64 bytes = total_bytes(to);
    for (u64 done = 0; done < bytes && error == 0; done += kMostBytes) {
        const auto part = slice(to, done, kMostBytes);
        error = request(kRead, offset + done, total_bytes(part), {}, part);
    }
    return error;
}

int NbdClient::do_write(u64 offset, Scatter from) {
    int error = 0;
    const u64 bytes = total_bytes(from);
    for (u64 done = 0; done < bytes && error == 0; done += kMostBytes) {
        const auto part = slice(from, done, kMostBytes);
        error = request(kWrite, offset + done, total_bytes(part), part, {});
    }
    return error;
}

int NbdClient::by_parts(u16 command, u64 offset, u64 bytes) {
    int error = 0;
    for (u64 done = 0; done < bytes && error == 0; done += kMostBytes) {
        error = request(command, offset + done, std::min(bytes - done, kMostBytes), {}, {});
    }
    return error;
}

int NbdClient::do_flush() {
    return (export_flags_ & kExportFlush) != 0 ? request(kFlush, 0, 0, {}, {}) : 0;
}

int NbdClient::do_discard(u64 offset, u64 bytes) {
    return (export_flags_ & kExportTrim) != 0 ? by_parts(kTrim, offset, bytes) : 0;
}

int NbdClient::do_write_zeroes(u64 offset, u64 bytes) {
    if ((export_flags_ & kExportWriteZeroes) != 0) {
        return by_parts(kZero, offset, bytes);
    }
    static std::array<u8, 65536> zeroes{};
    int error = 0;
    for (u64 done = 0; done < bytes && error == 0; done += zeroes.size()) {
        const iovec piece = piece_of(zeroes.data(), std::min<u64>(bytes - done, zeroes.size()));
        error = do_write(offset + done, {&piece, 1});
    }
    return error;
}

} // namespace ulna::devices::virtio
