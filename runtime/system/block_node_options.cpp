#include "runtime/system/block_node_options.h"

namespace ulna::system {

namespace {

using Driver = BlockNodeOptions::Driver;

// By Driver.
const std::vector<std::string> kDrivers = {"file",     "host_device", "nbd",  "null-co",
                                           "null-aio", "raw",         "qcow2"};

// server.type=unix,server.path= or server.type=inet,server.host=,server.port=.
std::string nbd_address(Properties& properties) {
    Properties server = properties.group("server");
    const bool is_unix = server.choice("type", {"inet", "unix"}, 0) == 1;
    std::string address = "nbd:";
    if (is_unix) {
        address += "unix:" + server.required("path");
    } else {
        address += server.required("host");
        address += ":" + server.required("port");
    }
    if (const std::string name = properties.text("export"); !name.empty()) {
        address += ":exportname=" + name;
    }
    properties.absorb("server", std::move(server));
    return address;
}

// "nbd:" at its start would be a server.
std::string file_path(Properties& properties) {
    const std::string path = properties.required("filename");
    return path.starts_with("nbd:") ? "./" + path : path;
}

// How QEMU names a disk that is in no file.
std::string null_path(const BlockNodeOptions& node, const std::string& size) {
    const std::string driver = node.driver_name();
    return size.empty() ? driver + "://"
                        : R"(json:{"driver": ")" + driver + R"(", "size": )" + size + "}";
}

void set_caching(BlockNodeOptions& node, Properties& properties) {
    node.policy.discards = properties.choice("discard", {"ignore", "off", "unmap", "on"}, 0) >= 2;
    node.direct = properties.flag("cache.direct");
    node.policy.flushes = !properties.flag("cache.no-flush");
    (void)properties.choice("detect-zeroes", {"off", "on", "unmap"}, 0);
    if (properties.flag("force-share")) {
        properties.fail("force-share=on: an image that others write is not used");
    }
}

// Or nothing.
bool is_name(const std::string& text) {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    return text.empty() ||
           (is_letter(text[0]) &&
            text.find_first_not_of(
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == text.npos);
}

// What of this machine's images has no such knobs.
void ignore_tuning(Properties& properties) {
    for (const char* const name : {"aio",
                                   "aio-max-batch",
                                   "locking",
                                   "pr-manager",
                                   "drop-cache",
                                   "x-check-cache-dropped",
                                   "lazy-refcounts",
                                   "pass-discard-request",
                                   "pass-discard-snapshot",
                                   "pass-discard-other",
                                   "overlap-check",
                                   "cache-size",
                                   "l2-cache-size",
                                   "l2-cache-entry-size",
                                   "refcount-cache-size",
                                   "cache-clean-interval",
                                   "discard-no-unref",
                                   "latency-ns",
                                   "read-zeroes",
                                   "reconnect-delay",
                                   "open-timeout"}) {
        properties.ignore(name);
    }
}

void set_child(BlockNodeOptions& node,
               Properties& properties,
               std::vector<BlockNodeOptions>& to,
               unsigned& unnamed) {
    node.child = properties.text("file");
    if (node.child.empty()) {
        Properties inner = properties.group("file");
        const std::size_t before = to.size();
        parse_block_nodes(inner, to, unnamed);
        node.child = to.size() > before ? to.back().name : "";
        properties.absorb("file", std::move(inner));
    }
    if (properties.has("backing") && !properties.text("backing").empty()) {
        properties.fail("backing: an image's backing file is what the image says");
    }
}

} // namespace

std::vector<NodeProperties> node_properties() {
    std::vector<NodeProperties> all;
    for (const std::string& driver : kDrivers) {
        Properties properties{std::vector<Properties::Item>{{"driver", driver}, {"file", "x"}}};
        std::vector<BlockNodeOptions> nodes;
        unsigned unnamed = 0;
        parse_block_nodes(properties, nodes, unnamed);
        all.push_back({driver, properties.known()});
    }
    return all;
}

const char* BlockNodeOptions::driver_name() const {
    return kDrivers[static_cast<std::size_t>(driver)].c_str();
}

void parse_block_nodes(Properties& properties,
                       std::vector<BlockNodeOptions>& to,
                       unsigned& unnamed) {
    BlockNodeOptions node;
    if (properties.required("driver").empty()) {
        return;
    }
    node.driver = static_cast<Driver>(properties.choice("driver", kDrivers, 0));
    node.name = properties.text("node-name");
    if (!is_name(node.name)) {
        properties.fail("node-name=" + node.name + ": a letter, then letters, digits and -._");
    }
    if (node.name.empty()) {
        node.name = "#block" + std::to_string(unnamed++);
    }
    node.read_only = properties.flag("read-only");
    node.auto_read_only = properties.flag("auto-read-only");
    set_caching(node, properties);
    ignore_tuning(properties);
    switch (node.driver) {
    case Driver::File:
    case Driver::HostDevice:
        node.path = file_path(properties);
        break;
    case Driver::Nbd:
        node.path = nbd_address(properties);
        break;
    case Driver::NullCo:
    case Driver::NullAio:
        node.path = null_path(node, properties.text("size"));
        node.null_bytes = properties.number("size", u64{1} << 30, 0, u64{1} << 60) / 512 * 512;
        break;
    case Driver::Raw:
    case Driver::Qcow2:
        set_child(node, properties, to, unnamed);
        break;
    }
    to.push_back(std::move(node));
}

} // namespace ulna::system
