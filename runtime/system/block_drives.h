// A machine's disks and drives: what is in them, and what people do to their trays and media. From
// any thread, without the machine's lock. What is refused is said in a line without its end.
#pragma once

#include <mutex>
#include <optional>

#include "runtime/devices/scsi/bus.h"
#include "runtime/system/block_nodes.h"
#include "runtime/system/machine.h"

namespace ulna::devices::virtio {
class Scsi;
}

namespace ulna::system {

struct BlockDrive {
    std::string name;   // -drive's id, virtio0 and up, or empty: it was made of a node
    std::string device; // as others name what it is in: by its id or its path; empty: in nothing
    std::string node;   // the topmost one of its medium; empty: it has none
    bool is_removable = false;
    bool reads_only = false; // media are not written
    // Of a removable one.
    devices::virtio::Scsi* bus = nullptr;
    devices::scsi::Address at;

    [[nodiscard]] const std::string& label() const { return name.empty() ? device : name; }
};

// As people see it.
struct DriveReport {
    BlockDrive drive;
    bool is_locked = false, tray_is_open = false;
};
struct NodeReport {
    BlockNodeOptions options, bottom; // of the one that is reported, and of its lowest
    bool is_hidden = false, is_top = false, reads_only = false;
    u64 bytes = 0;
    std::shared_ptr<devices::virtio::BlockBackend> image; // of its chain; null: it is broken
};

// What people say of a medium; nothing for other words. No format is to be seen from the image.
enum class MediumAccess : u8 { Retain, ReadOnly, ReadWrite };
[[nodiscard]] std::optional<MediumAccess> parse_access(std::string_view text);
[[nodiscard]] std::optional<devices::virtio::BlockFormat> parse_block_format(std::string_view text);

class BlockDrives {
  public:
    explicit BlockDrives(Machine& machine) : machine_{machine} {}

    // --- while devices are made, or after they have gone
    // `unnamed`: how many of them got names here.
    [[nodiscard]] std::string add_nodes(std::vector<BlockNodeOptions> nodes, unsigned unnamed);
    // A drive with an image of its own.
    [[nodiscard]] std::string add(BlockDrive drive, const devices::virtio::BlockOptions& image);
    // One that has a node, or nothing.
    [[nodiscard]] std::string attach(BlockDrive drive);
    // Of the drive that was added last; null: it has none.
    [[nodiscard]] std::shared_ptr<devices::virtio::BlockBackend> last_image();
    // The drive that a device with this name has, which is in no use any more; or there is none.
    void detach(const std::string& device);
    void set_bus(const std::string& device, devices::virtio::Scsi& bus, devices::scsi::Address at);
    [[nodiscard]] bool has_node(const std::string& name) const {
        return nodes_.find(name) != nullptr;
    }

    // --- nodes
    [[nodiscard]] std::string add_node(Properties& properties);
    [[nodiscard]] std::string remove_node(const std::string& name);

    // --- media. A drive is named by its name or its device.
    enum class Force : bool { No, Yes };
    [[nodiscard]] std::string open_tray(const std::string& drive, Force force);
    [[nodiscard]] std::string close_tray(const std::string& drive);
    [[nodiscard]] std::string remove_medium(const std::string& drive);
    [[nodiscard]] std::string insert_medium(const std::string& drive, const std::string& node);
    [[nodiscard]] std::string eject(const std::string& drive, Force force);
    [[nodiscard]] std::string change_medium(const std::string& drive,
                                            devices::virtio::BlockOptions image,
                                            MediumAccess access,
                                            Force force);
    [[nodiscard]] bool has(const std::string& drive) const;

    // --- looking
    [[nodiscard]] std::vector<DriveReport> drives() const;
    [[nodiscard]] std::vector<NodeReport> nodes() const;
    [[nodiscard]] std::vector<BlockNodeOptions> named_nodes() const; // those that people made

    // Which media are in drives, for snapshots (drive_state.cpp). With the machine's lock held,
    // while nothing is asked of drives.
    void visit_state(devices::StateVisitor& visit);

  private:
    struct Medium;
    [[nodiscard]] Medium medium_of(const BlockDrive& drive) const;
    // Says why not.
    [[nodiscard]] std::string exchange(BlockDrive& drive, const Medium& wanted);
    [[nodiscard]] BlockNode* find_medium(const Medium& wanted, std::string& why_not);

    void note_named(const devices::virtio::BlockOptions& image);

    [[nodiscard]] BlockDrive* find(const std::string& name);
    // A drive whose medium goes out; null with a reason.
    [[nodiscard]] BlockDrive* find_removable(const std::string& name, std::string& why_not);
    [[nodiscard]] DriveReport look_at(const BlockDrive& drive) const;
    [[nodiscard]] bool opens(const BlockDrive& drive, Force force); // false: the guest locks it
    void close(const BlockDrive& drive);
    // With the machine's lock held, as snapshots look at media.
    void put_into(BlockDrive& drive, BlockNode& node);
    void take_out(BlockDrive& drive);
    [[nodiscard]] bool is_open(const BlockDrive& drive) const;

    Machine& machine_;
    mutable std::timed_mutex lock_; // of what follows; taken before the machine's and a SCSI bus's
    BlockNodes nodes_;
    std::vector<BlockDrive> drives_;
    // What people have put into drives so far: a snapshot, which may say anything, opens no more.
    std::vector<devices::virtio::BlockOptions> named_;
};

} // namespace ulna::system
