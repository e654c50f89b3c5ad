#include "backend/llvm/stack_map.h"

#include <cstring>

namespace ulna::backend::tier2 {

namespace {

class Reader {
  public:
    explicit Reader(llvm::StringRef bytes) : bytes_{bytes} {}
    template <class T> T next() {
        T value{};
        if (at_ + sizeof(T) <= bytes_.size()) {
            std::memcpy(&value, bytes_.data() + at_, sizeof(T));
        }
        at_ += sizeof(T);
        return value;
    }
    void skip(std::size_t bytes) { at_ += bytes; }
    void align(std::size_t to) { at_ = (at_ + to - 1) / to * to; }
    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] bool good() const { return at_ <= bytes_.size(); }

  private:
    llvm::StringRef bytes_;
    std::size_t at_ = 0;
};

} // namespace

bool read_stack_map(llvm::StringRef section,
                    llvm::SmallVectorImpl<StackMapFunction>& functions,
                    llvm::SmallVectorImpl<StackMapRecord>& records) {
    Reader in(section);
    constexpr u8 kVersion = 3;
    if (in.next<u8>() != kVersion) {
        return false;
    }
    in.skip(3);
    const auto function_count = in.next<u32>(), constant_count = in.next<u32>();
    in.skip(4); // records, also counted by function
    llvm::SmallVector<u64, 8> record_counts;
    for (u32 i = 0; i < function_count && in.good(); ++i) {
        const auto offset = static_cast<u32>(in.at());
        in.skip(8);
        const auto frame_bytes = in.next<u64>();
        functions.push_back({offset, frame_bytes});
        record_counts.push_back(in.next<u64>());
    }
    llvm::SmallVector<u64, 8> constants;
    for (u32 i = 0; i < constant_count && in.good(); ++i) {
        constants.push_back(in.next<u64>());
    }
    for (u32 f = 0; f < record_counts.size(); ++f) {
        for (u64 i = 0; i < record_counts[f] && in.good(); ++i) {
            StackMapRecord& record = records.emplace_back();
            record.id = in.next<u64>();
            record.function = f;
            record.code_offset = in.next<u32>();
            in.skip(2);
            const auto count = in.next<u16>();
            for (u16 k = 0; k < count && in.good(); ++k) {
                StackMapLocation location{};
                location.kind = static_cast<StackMapLocation::Kind>(in.next<u8>());
                in.skip(3); // reserved, size
                location.dwarf_register = in.next<u16>();
                in.skip(2);
                location.value = in.next<i32>();
                if (location.kind == StackMapLocation::Kind::ConstantIndex) {
                    const auto index = static_cast<u32>(location.value);
                    if (index >= constants.size()) {
                        return false;
                    }
                    location.large = constants[index];
                }
                record.locations.push_back(location);
            }
            in.align(8);
            in.skip(2);
            in.skip(in.next<u16>() * 4u); // live-out registers
            in.align(8);
        }
    }
    return in.good();
}

} // namespace ulna::backend::tier2
