#include "runtime/system/boot.h"

#include <sys/random.h>

#include <algorithm>

#include "ir/support/bits.h"
#include "runtime/devices/virt_map.h"
#include "runtime/system/boot_file.h"
#include "runtime/system/boot_image.h"

namespace ulna::system {

namespace {

namespace virt = devices::virt;
using devices::PhysAddr;
using virt::Range;

constexpr u64 kMiB = 1 << 20;
constexpr u64 kMostTreeBytes = 2 * kMiB; // booting.rst
constexpr u64 kTreeAlignment = 2 * kMiB; // older kernels map it with one block
constexpr u64 kPage = 4096;

u64 next_random(std::optional<u64>& seed) {
    u64 value = 0;
    if (!seed) {
        (void)!getrandom(&value, sizeof value, 0);
        return value;
    }
    // SplitMix64.
    value = *seed += 0x9e37'79b9'7f4a'7c15;
    value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9;
    value = (value ^ value >> 27) * 0x94d0'49bb'1331'11eb;
    return value ^ value >> 31;
}

class Loader {
  public:
    Loader(const BootRequest& request, const MachineDescription& machine, std::string& why_not)
        : request_(request),
          machine_(machine),
          why_not_(why_not),
          ram_{virt::kRam, machine.ram_bytes} {}

    std::optional<BootState> load(const devices::PhysicalMemory& memory) {
        if (!read_files() || !make_tree() || !place_tree() || !write(memory)) {
            return std::nullopt;
        }
        BootState state;
        state.device_tree = std::move(tree_);
        if (is_direct()) {
            state.pc = kernel_.entry;
            state.x0 = tree_at_;
            state.is_linux = kernel_.kind == KernelImage::Kind::Linux;
        }
        return state;
    }

    std::optional<std::vector<u8>> tree() {
        return read_files() && make_tree() ? std::optional(std::move(tree_)) : std::nullopt;
    }

  private:
    bool is_direct() const { return !request_.has_firmware && !request_.kernel.empty(); }
    bool read_files() { return !is_direct() || (read_kernel() && place_initrd()); }

    bool refuse(const std::string& file) {
        why_not_ = file + ": " + why_not_;
        return false;
    }

    bool read_kernel() {
        std::optional<std::vector<u8>> file = read_file(request_.kernel, ram_.bytes, why_not_);
        if (!file) {
            return false;
        }
        std::optional<KernelImage> kernel = parse_kernel(std::move(*file), ram_, why_not_);
        if (!kernel) {
            return refuse(request_.kernel);
        }
        kernel_ = std::move(*kernel);
        return true;
    }

    // Well above the kernel, whose decompressor or early tables may need room, where that is; in
    // the first 32 GiB, as booting.rst asks.
    bool place_initrd() {
        constexpr u64 kUsual = 128 * kMiB;
        if (request_.initrd.empty()) {
            return true;
        }
        std::optional<std::vector<u8>> file = read_file(request_.initrd, ram_.bytes, why_not_);
        if (!file) {
            return false;
        }
        initrd_ = std::move(*file);
        const PhysAddr usual =
            std::max(kernel_.end, ram_.base + std::min(align_down(ram_.bytes / 2, kPage), kUsual));
        for (const PhysAddr at : {usual, kernel_.end}) {
            if (fits(at, align_up(initrd_.size(), kTreeAlignment) + 2 * kTreeAlignment, ram_,
                     why_not_)) {
                arguments_.initrd = at;
                arguments_.initrd_bytes = initrd_.size();
                return true;
            }
        }
        why_not_ =
            "kernel and initrd do not fit in " + std::to_string(ram_.bytes >> 20) + " MiB of RAM";
        return refuse(request_.initrd);
    }

    bool make_tree() {
        std::optional<u64> seed = request_.seed;
        arguments_.command_line = request_.command_line;
        arguments_.kaslr_seed = next_random(seed);
        arguments_.rng_seed.emplace();
        for (std::size_t i = 0; i < arguments_.rng_seed->size(); ++i) {
            (*arguments_.rng_seed)[i] = static_cast<u8>(next_random(seed));
        }
        if (request_.device_tree.empty()) {
            tree_ = make_device_tree(machine_);
        } else if (std::optional<std::vector<u8>> file =
                       read_file(request_.device_tree, kMostTreeBytes, why_not_)) {
            tree_ = std::move(*file);
        } else {
            return false;
        }
        return complete_device_tree(tree_, machine_.ram_bytes, arguments_, why_not_) ||
               refuse(request_.device_tree.empty() ? "-append" : request_.device_tree);
    }

    // At the start of RAM for firmware and for what is no Linux, as they look for it there; else
    // behind all else.
    bool place_tree() {
        const bool is_linux = !kernel_.segments.empty() && kernel_.kind == KernelImage::Kind::Linux;
        const PhysAddr first = kernel_.segments.empty() ? ram_.end() : kernel_.low;
        const PhysAddr last = std::max(kernel_.end, arguments_.initrd + arguments_.initrd_bytes);
        tree_at_ = !is_linux && first - ram_.base >= tree_.size() ? ram_.base
                                                                  : align_up(last, kTreeAlignment);
        if (tree_.size() > kMostTreeBytes) {
            why_not_ = "a device tree of more than 2 MiB; is -append that long?";
            return false;
        }
        if (!fits(tree_at_, tree_.size(), ram_, why_not_)) {
            why_not_ = "no room for the device tree in " + std::to_string(ram_.bytes >> 20) +
                       " MiB of RAM";
            return false;
        }
        return true;
    }

    bool write(const devices::PhysicalMemory& memory) {
        bool is_written = true;
        for (const KernelImage::Segment& segment : kernel_.segments) {
            is_written &= segment.bytes.empty() ||
                          memory.write_ram(segment.at, segment.bytes.data(), segment.bytes.size());
        }
        is_written &=
            initrd_.empty() || memory.write_ram(arguments_.initrd, initrd_.data(), initrd_.size());
        is_written &= memory.write_ram(tree_at_, tree_.data(), tree_.size());
        if (!is_written) {
            why_not_ = "the machine has less RAM than its description says";
        }
        return is_written;
    }

    const BootRequest& request_;
    const MachineDescription& machine_;
    std::string& why_not_;
    const Range ram_;
    KernelImage kernel_;
    std::vector<u8> initrd_, tree_;
    BootArguments arguments_;
    PhysAddr tree_at_ = 0;
};

} // namespace

std::optional<BootState> load_boot(const BootRequest& request,
                                   const MachineDescription& machine,
                                   const devices::PhysicalMemory& memory,
                                   std::string& why_not) {
    return Loader(request, machine, why_not).load(memory);
}

std::optional<std::vector<u8>> boot_device_tree(const BootRequest& request,
                                                const MachineDescription& machine,
                                                std::string& why_not) {
    return Loader(request, machine, why_not).tree();
}

} // namespace ulna::system
