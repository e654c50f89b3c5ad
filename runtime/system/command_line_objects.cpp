// -object, and other options of what management tools ask for.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/file_descriptor.h"
#include "runtime/system/command_line_parse.h"
#include "runtime/system/object_types.h"

namespace ulna::system {

namespace {

// Nothing here is encrypted, so that it is there is all that matters.
void check_secret(Properties& properties) {
    const std::string file = properties.text("file");
    (void)properties.choice("format", {"raw", "base64"}, 0);
    for (const char* const name : {"data", "keyid", "iv"}) {
        properties.ignore(name);
    }
    if (!file.empty() && !runtime::FileDescriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC))) {
        properties.fail("file=" + file + ": cannot be read");
    }
}

void set_memory(ObjectOption& object, Properties& properties) {
    const std::string size = properties.required("size");
    const std::optional<u64> bytes = runtime::parse_bytes(size, 1);
    if (!bytes) {
        properties.fail("size=" + size + ": bytes, or such as 2G");
    }
    object.bytes = bytes.value_or(0);
    const bool is_shared = properties.flag("share");
    if (object.type == "memory-backend-file") {
        object.file = properties.required("mem-path");
        struct stat info;
        if (!is_shared && stat(object.file.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
            properties.fail("share=off: what is in the file would not stay; share=on, or a folder");
        }
        for (const char* const name : {"discard-data", "pmem", "align"}) {
            properties.ignore(name);
        }
    }
    for (const char* const name :
         {"prealloc", "prealloc-threads", "dump", "merge", "host-nodes", "policy", "reserve",
          "hugetlb", "hugetlbsize", "seal", "x-use-canonical-path-for-ramblock-id"}) {
        properties.ignore(name);
    }
}

} // namespace

void add_object(CommandLineParse& parse, const std::string& value) {
    Properties properties = Properties::of_option(value, "qom-type");
    ObjectOption object{properties.required("qom-type"), properties.text("id")};
    take_object(object, properties);
    const std::string type = object.type;
    add_with_id(parse.options.objects, std::move(object), properties);
    parse.finish("-object " + type + ":", properties);
}

void take_object(ObjectOption& object, Properties& properties) {
    if (object.type == "secret") {
        check_secret(properties);
    } else if (object.type.starts_with("memory-backend-")) {
        set_memory(object, properties);
    } else if (object.type == "rng-random") { // the host's random numbers in any case
        properties.ignore("filename");
    }
    if (std::ranges::find(kObjectTypes, object.type) == std::end(kObjectTypes)) {
        properties.fail("no such object");
    }
}

std::vector<Properties::Known> object_properties(std::string_view type) {
    Properties properties{std::vector<Properties::Item>{}};
    ObjectOption object{std::string(type), ""};
    take_object(object, properties);
    return properties.known();
}

// The memory that -machine names is the machine's.
void check_objects(CommandLineParse& parse) {
    const SystemOptions& options = parse.options;
    if (options.memory_backend.empty()) {
        return;
    }
    const auto found =
        std::ranges::find(options.objects, options.memory_backend, &ObjectOption::id);
    if (found == options.objects.end() || !found->type.starts_with("memory-backend-")) {
        parse.fail("-machine memory-backend=" + options.memory_backend +
                   ": no -object memory-backend-ram with this id");
    } else if (found->bytes != options.ram_bytes) {
        parse.fail("-machine memory-backend=" + options.memory_backend + ": it has " +
                   std::to_string(found->bytes >> 20) + " MiB, and -m says " +
                   std::to_string(options.ram_bytes >> 20));
    }
}

std::string memory_file(const SystemOptions& options) {
    const auto found =
        std::ranges::find(options.objects, options.memory_backend, &ObjectOption::id);
    return options.memory_backend.empty() || found == options.objects.end() ? "" : found->file;
}

void check_audio(CommandLineParse& parse, const std::string& value) {
    Properties properties = Properties::of_option(value, "driver");
    (void)properties.choice("driver", {"none"}, 0);
    properties.ignore("id");
    parse.finish("-audiodev", properties);
}

} // namespace ulna::system
