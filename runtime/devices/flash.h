// A bank of NOR flash with Intel's command set (CFI primary command set 0001): two 16-bit chips
// beside each other, as on QEMU's `virt`. Firmware runs from the first bank and keeps its variables
// in the second.
//
// Reads show the array until a command says otherwise. While they do, rom() shows it as well, so
// that code runs from it and no access needs the device.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/devices/device.h"

namespace ulna::devices {

class StateImage;
class StateVisitor;

struct FlashOptions {
    std::string path;       // empty: no file, all zeros
    bool read_only = false; // commands that change it fail
    bool snapshot = false;  // changes are not written to the file
};

class Flash final : public Device {
  public:
    // Reads show something else from now on, or may: TLBs and translated code have to forget it.
    using Changed = std::function<void()>;

    // Null, with a reason of one line. A file that is written must be as large as the bank; one
    // that is only read may be smaller.
    [[nodiscard]] static std::unique_ptr<Flash>
    open(const FlashOptions& options, u64 bytes, std::string& why_not);
    ~Flash() override;

    void on_change(Changed changed) { changed_ = std::move(changed); }

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    [[nodiscard]] const u8* rom(u64 offset, u64 bytes) const override;
    void visit_state(StateVisitor& visit); // without the array
    // The array; loading writes the file, too, where it differs.
    [[nodiscard]] std::unique_ptr<StateImage> image(std::string name);

  private:
    static constexpr u64 kBufferBytes = 4096; // of both chips
    class Image;
    enum class Mode : u8 { Array, Status, Id, Query };
    // What the next write is.
    enum class Expect : u8 { Command, Data, EraseConfirm, LockConfirm, Count, Buffer, Confirm };

    Flash(u8* array, u64 bytes, int fd, bool read_only)
        : array_(array), bytes_(bytes), fd_(fd), read_only_(read_only) {}

    void show(Mode mode);
    void command(u64 offset, u8 code);
    void confirm_erase(u64 offset, u8 code);
    void confirm_lock(u8 code);
    void fill_buffer(u64 offset, unsigned bytes, u64 value);
    void confirm_buffer(u8 code);
    void program(u64 offset, std::span<const u8> data);
    void erase(u64 offset);
    void save(u64 offset, u64 bytes);
    void fail(u8 status);
    [[nodiscard]] u8 query_byte(u64 index) const;
    [[nodiscard]] u8 id_byte(u64 index) const;

    u8* const array_;
    const u64 bytes_;
    const int fd_; // of the file that keeps it; -1: none
    const bool read_only_;
    Changed changed_ = [] {};
    std::atomic<Mode> mode_ = Mode::Array;
    Expect expect_ = Expect::Command;
    u8 status_ = 0;
    u64 buffer_at_ = 0;
    u32 buffer_left_ = 0; // words to come
    std::vector<u8> buffer_ = std::vector<u8>(kBufferBytes), buffer_mask_ = buffer_;
};

} // namespace ulna::devices
