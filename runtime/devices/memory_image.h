// RAM and flash as images: bytes of our own memory, most of them zero.
#pragma once

#include "runtime/devices/state_image.h"

namespace ulna::devices {

class MemoryImage : public StateImage {
  public:
    // `bytes`: a multiple of a page.
    MemoryImage(std::string name, u8* memory, u64 bytes)
        : name_{std::move(name)}, memory_{memory}, bytes_{bytes} {}
    ~MemoryImage() override;

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] u64 bytes() const override { return bytes_; }
    [[nodiscard]] std::vector<Run> runs() override;
    [[nodiscard]] bool read(u64 offset, std::span<u8> to) override;
    [[nodiscard]] bool begin(std::string& why_not) override;
    [[nodiscard]] bool put(u64 offset, std::span<const u8> from) override;
    void commit() override; // moves the pages: what points into the memory still does
    void give_up() override;

  protected:
    [[nodiscard]] u8* memory() const { return memory_; }
    [[nodiscard]] const u8* aside() const { return aside_; }

  private:
    std::string name_;
    u8* memory_;
    u64 bytes_;
    u8* aside_ = nullptr; // within mapping_
    void* mapping_ = nullptr;
    u64 mapping_bytes_ = 0;
};

} // namespace ulna::devices
