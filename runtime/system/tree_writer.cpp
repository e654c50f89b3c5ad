#include "runtime/system/tree_writer.h"

#include <libfdt.h>

#include "ir/support/check.h"

namespace ulna::system {

namespace {

constexpr std::size_t kFirstBytes = 64 << 10;

std::vector<u8> big_endian(const u32* values, std::size_t count) {
    std::vector<u8> bytes;
    bytes.reserve(count * 4);
    for (std::size_t i = 0; i < count; ++i) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            bytes.push_back(static_cast<u8>(values[i] >> shift));
        }
    }
    return bytes;
}

// Repeats what does not fit in a larger blob. Nothing else can fail: what is written is ours.
template <class Write> void with_room(std::vector<u8>& blob, Write&& write) {
    for (;;) {
        const int error = write(blob.data());
        if (error == 0) {
            return;
        }
        CHECK(error == -FDT_ERR_NOSPACE);
        std::vector<u8> larger(blob.size() * 2);
        CHECK(fdt_resize(blob.data(), larger.data(), static_cast<int>(larger.size())) == 0);
        blob.swap(larger);
    }
}

} // namespace

TreeWriter::TreeWriter() : blob_(kFirstBytes) {
    CHECK(fdt_create(blob_.data(), static_cast<int>(blob_.size())) == 0);
    CHECK(fdt_finish_reservemap(blob_.data()) == 0);
}

void TreeWriter::begin(const std::string& name) {
    with_room(blob_, [&](void* blob) { return fdt_begin_node(blob, name.c_str()); });
}
void TreeWriter::end() {
    with_room(blob_, [](void* blob) { return fdt_end_node(blob); });
}
void TreeWriter::property(const char* name, const void* bytes, std::size_t count) {
    with_room(blob_,
              [&](void* blob) { return fdt_property(blob, name, bytes, static_cast<int>(count)); });
}

void TreeWriter::flag(const char* name) { property(name, nullptr, 0); }
void TreeWriter::text(const char* name, const std::string& value) {
    property(name, value.c_str(), value.size() + 1);
}
void TreeWriter::texts(const char* name, std::initializer_list<const char*> values) {
    std::string all;
    for (const char* const value : values) {
        all += value;
        all += '\0';
    }
    property(name, all.data(), all.size());
}
void TreeWriter::cells(const char* name, std::initializer_list<u32> values) {
    const std::vector<u8> bytes = big_endian(values.begin(), values.size());
    property(name, bytes.data(), bytes.size());
}
void TreeWriter::cells(const char* name, const std::vector<u32>& values) {
    const std::vector<u8> bytes = big_endian(values.data(), values.size());
    property(name, bytes.data(), bytes.size());
}
void TreeWriter::ranges(const char* name, std::initializer_list<u64> values) {
    std::vector<u32> halves;
    for (const u64 value : values) {
        halves.push_back(static_cast<u32>(value >> 32));
        halves.push_back(static_cast<u32>(value));
    }
    cells(name, halves);
}

std::vector<u8> TreeWriter::finish() {
    with_room(blob_, [](void* blob) { return fdt_finish(blob); });
    blob_.resize(fdt_totalsize(blob_.data()));
    return std::move(blob_);
}

} // namespace ulna::system
