#include "runtime/devices/virtio/snapshot.h"

#include <algorithm>
#include <array>

#include "ir/support/bits.h"
#include "runtime/devices/virtio/raw_file.h"

namespace ulna::devices::virtio {

Snapshot::Snapshot(std::unique_ptr<BlockBackend> base, std::unique_ptr<BlockBackend> overlay)
    : base_(std::move(base)),
      overlay_(std::move(overlay)),
      changed_(align_up(base_->bytes(), kClusterBytes) / kClusterBytes) {}

int Snapshot::do_read(u64 offset, Scatter to) {
    const u64 start = offset;
    const u64 end = offset + total_bytes(to);
    while (offset < end) { // by runs of clusters that one of the files has
        const bool changed = changed_[offset / kClusterBytes];
        u64 run_end = offset;
        while (run_end < end && changed_[run_end / kClusterBytes] == changed) {
            run_end = align_down(run_end, kClusterBytes) + kClusterBytes;
        }
        const auto part = slice(to, offset - start, std::min(run_end, end) - offset);
        if (const int error = (changed ? overlay_ : base_)->read(offset, part); error != 0) {
            return error;
        }
        offset = run_end;
    }
    return 0;
}

int Snapshot::copy_cluster(u64 cluster) {
    std::array<u8, kClusterBytes> copy;
    const u64 at = cluster * kClusterBytes;
    const iovec piece{copy.data(), std::min<u64>(kClusterBytes, bytes() - at)};
    const int error = base_->read(at, {&piece, 1});
    return error != 0 ? error : overlay_->write(at, {&piece, 1});
}

int Snapshot::prepare(u64 offset, u64 bytes) {
    if (bytes == 0) {
        return 0;
    }
    const u64 end = offset + bytes;
    const u64 first = offset / kClusterBytes;
    const u64 last = (end - 1) / kClusterBytes;
    const bool first_is_partial = !is_aligned(offset, kClusterBytes);
    const bool last_is_partial = !is_aligned(end, kClusterBytes) && end != this->bytes();
    if ((first_is_partial || (first == last && last_is_partial)) && !changed_[first]) {
        if (const int error = copy_cluster(first); error != 0) {
            return error;
        }
    }
    if (last != first && last_is_partial && !changed_[last]) {
        if (const int error = copy_cluster(last); error != 0) {
            return error;
        }
    }
    std::fill(changed_.begin() + static_cast<std::ptrdiff_t>(first),
              changed_.begin() + static_cast<std::ptrdiff_t>(last + 1), true);
    return 0;
}

int Snapshot::do_write(u64 offset, Scatter from) {
    const int error = prepare(offset, total_bytes(from));
    return error != 0 ? error : overlay_->write(offset, from);
}

int Snapshot::do_write_zeroes(u64 offset, u64 bytes) {
    const int error = prepare(offset, bytes);
    return error != 0 ? error : overlay_->write_zeroes(offset, bytes);
}

// What was written, as a machine's snapshot keeps it.
class Snapshot::Image final : public StateImage {
  public:
    Image(Snapshot& disk, std::string name) : disk_{disk}, name_{std::move(name)} {}

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] u64 bytes() const override { return disk_.bytes(); }

    [[nodiscard]] std::vector<Run> runs() override {
        std::vector<Run> runs;
        for (u64 cluster = 0; cluster < disk_.changed_.size(); ++cluster) {
            if (!disk_.changed_[cluster]) {
                continue;
            }
            const u64 at = cluster * kClusterBytes;
            if (runs.empty() || runs.back().offset + runs.back().bytes != at) {
                runs.push_back({at, 0});
            }
            runs.back().bytes += std::min(kClusterBytes, bytes() - at);
        }
        return runs;
    }
    [[nodiscard]] bool read(u64 offset, std::span<u8> to) override {
        const iovec piece{to.data(), to.size()};
        return disk_.overlay_->read(offset, {&piece, 1}) == 0;
    }

    [[nodiscard]] bool begin(std::string& why_not) override {
        overlay_ = RawFile::temporary(bytes(), why_not);
        changed_.assign(disk_.changed_.size(), false);
        return overlay_ != nullptr;
    }
    [[nodiscard]] bool put(u64 offset, std::span<const u8> from) override {
        for (u64 at = offset; at < offset + from.size(); at += kClusterBytes) {
            changed_[at / kClusterBytes] = true;
        }
        const iovec piece{const_cast<u8*>(from.data()), from.size()};
        return overlay_->write(offset, {&piece, 1}) == 0;
    }
    void commit() override {
        disk_.overlay_ = std::move(overlay_);
        disk_.changed_ = std::move(changed_);
    }
    void give_up() override { overlay_.reset(); }

  private:
    Snapshot& disk_;
    std::string name_;
    std::unique_ptr<BlockBackend> overlay_;
    std::vector<bool> changed_;
};

std::unique_ptr<StateImage> Snapshot::image(std::string name) {
    return std::make_unique<Image>(*this, std::move(name));
}

// Only what the overlay has costs anything. It reads as zeroes then, which is as good as anything.
int Snapshot::do_discard(u64 offset, u64 bytes) { return do_write_zeroes(offset, bytes); }

} // namespace ulna::devices::virtio
