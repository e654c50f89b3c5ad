// The addresses that a debugger connects to.
#include "runtime/debug/gdb_socket.h"

#include <string_view>

#include "runtime/host_socket.h"

namespace ulna::runtime::debug {

namespace {

constexpr int kBacklog = 1;

// Without a host, only this one: whoever connects may do anything.
FileDescriptor listen_by_words(std::string_view words, std::string& why_not) {
    const std::size_t colon = words.rfind(':');
    const std::string_view named = words.substr(0, colon == words.npos ? 0 : colon);
    const std::string port{words.substr(colon == words.npos ? 0 : colon + 1)};
    if (port.empty()) {
        why_not = "there is no port, such as in tcp::1234";
        return {};
    }
    const bool local = named.empty() || named == "localhost";
    const bool in_brackets = named.starts_with('[') && named.ends_with(']');
    const std::string host{local         ? "127.0.0.1"
                           : in_brackets ? named.substr(1, named.size() - 2)
                                         : named};
    return listen_tcp(host, port, kBacklog, why_not);
}

} // namespace

GdbListener listen_for_gdb(const std::string& where, std::string& why_not) {
    std::string_view words = where;
    constexpr std::string_view kTcp = "tcp:", kUnix = "unix:";
    std::string reason = "tcp:[host]:port or unix:path";
    GdbListener listener;
    if (words.starts_with(kTcp)) {
        listener.socket = listen_by_words(words.substr(kTcp.size()), reason);
    } else if (words.starts_with(kUnix)) {
        words.remove_prefix(kUnix.size());
        listener.path = words.substr(0, words.find(',')); // QEMU's options, such as ,server=on
        listener.socket = listen_unix(listener.path, kBacklog, reason);
    }
    if (!listener.socket) {
        why_not = "cannot listen at " + where + ": " + reason;
    }
    return listener;
}

} // namespace ulna::runtime::debug
