// A logical unit: a disk (SBC-3) or a CD/DVD drive (MMC-6) that carries out SCSI commands on what a
// disk image has. It knows no transport. Not thread-safe: whoever serves its transport is the only
// user.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/devices/scsi/command.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/devices/virtio/block_backend.h"

namespace ulna::devices::scsi {

struct UnitOptions {
    enum class Type : u8 { Disk, CdRom };
    Type type = Type::Disk;
    bool removable = false; // a CD drive always is
    // What INQUIRY shows, cut to the fields' sizes; empty: QEMU's, by which guests have named
    // disks.
    std::string vendor, product, revision;
    std::string serial;    // of VPD page 80; empty: there is no such page
    std::string device_id; // of VPD page 83
    u64 wwn = 0;           // a NAA identifier of that page; 0: none
    u16 rotation_rate = 0; // per minute; 0: not said, 1: does not rotate
};

class LogicalUnit {
  public:
    // `medium` is null for a drive that has none; a disk has one.
    LogicalUnit(UnitOptions options, std::shared_ptr<virtio::BlockBackend> medium);

    [[nodiscard]] Completion execute(const Cdb& cdb, Scatter out, Scatter in);
    // As by power-on.
    void reset();

    [[nodiscard]] virtio::BlockBackend* medium() { return medium_.get(); }
    [[nodiscard]] const virtio::BlockBackend* medium() const { return medium_.get(); }
    // What it is, for snapshots.
    [[nodiscard]] std::string identity() const;
    void visit_state(StateVisitor& visit);

    // --- what somebody in front of the drive does and sees; of units whose medium goes out
    [[nodiscard]] bool is_removable() const { return is_cd() || options_.removable; }
    [[nodiscard]] bool tray_is_open() const { return tray_is_open_; }
    [[nodiscard]] bool removal_is_prevented() const { return removal_is_prevented_; }
    // Presses the button of a drive that the guest has locked; by force, the lock is gone.
    void request_eject(bool by_force);
    void move_tray(bool open);
    void set_medium(std::shared_ptr<virtio::BlockBackend> medium) { medium_ = std::move(medium); }
    // Told of each move, whoever causes it.
    void on_tray_moved(std::function<void(bool is_open)> call) { on_tray_moved_ = std::move(call); }

  private:
    using Handler = Sense (LogicalUnit::*)(const Cdb&, Data&);
    struct Row;
    static const Row kRows[];

    [[nodiscard]] bool is_cd() const { return options_.type == UnitOptions::Type::CdRom; }
    [[nodiscard]] u64 block_bytes() const { return is_cd() ? 2048 : 512; }
    [[nodiscard]] u64 blocks() const { return medium_->bytes() / block_bytes(); }
    [[nodiscard]] bool can_write() const { return !is_cd() && !medium_->read_only(); }
    [[nodiscard]] bool has_blocks(u64 first, u64 count) const {
        return first <= blocks() && count <= blocks() - first;
    }

    [[nodiscard]] const Row* find(u8 operation) const;
    [[nodiscard]] bool fits(const Row& row, const Cdb& cdb, const Data& data) const;
    [[nodiscard]] Sense why_not(const Row& row);
    [[nodiscard]] Sense take_attention();
    void set_tray(bool open);
    [[nodiscard]] Sense medium_state() const; // good: it can be read
    // Answers with as much as the allocation length and the buffers have room for.
    static Sense reply(Data& data, std::span<const u8> bytes, u64 allocated);

    // --- any unit: primary_commands.cpp
    Sense do_nothing(const Cdb&, Data&) { return sense::kGood; }
    Sense request_sense(const Cdb& cdb, Data& data);
    Sense inquiry(const Cdb& cdb, Data& data);
    [[nodiscard]] std::vector<u8> standard_inquiry() const;
    Sense vital_data(u8 page, Data& data, u64 allocated);
    [[nodiscard]] std::vector<u8> vital_pages() const;
    [[nodiscard]] std::vector<u8> device_identification() const;
    [[nodiscard]] std::vector<u8> block_limits() const;

    // --- mode_pages.cpp
    Sense mode_sense(const Cdb& cdb, Data& data);
    Sense mode_select(const Cdb& cdb, Data& data);
    [[nodiscard]] std::vector<u8> mode_pages() const; // numbers
    [[nodiscard]] std::vector<u8> mode_page(u8 page, bool changeable) const;
    Sense change_mode_pages(std::span<const u8> pages);

    // --- block_commands.cpp
    Sense read_capacity(const Cdb& cdb, Data& data);
    Sense service_action_in(const Cdb& cdb, Data& data);
    [[nodiscard]] Sense why_not_moved(const Cdb& cdb) const;
    Sense read(const Cdb& cdb, Data& data);
    Sense write(const Cdb& cdb, Data& data);
    Sense check_range(const Cdb& cdb, Data&);
    Sense synchronize(const Cdb&, Data&);
    Sense unmap(const Cdb& cdb, Data& data);
    Sense write_same(const Cdb& cdb, Data& data);
    Sense write_repeatedly(u64 offset, u64 bytes, std::span<const u8> block);
    [[nodiscard]] Sense written(int error, bool forced);

    // --- optical_commands.cpp: any unit whose medium goes out, then a CD drive only
    Sense start_stop(const Cdb& cdb, Data&);
    Sense prevent_removal(const Cdb& cdb, Data&);
    Sense read_toc(const Cdb& cdb, Data& data);
    Sense get_configuration(const Cdb& cdb, Data& data);
    Sense event_status(const Cdb& cdb, Data& data);
    Sense disc_information(const Cdb& cdb, Data& data);
    Sense mechanism_status(const Cdb& cdb, Data& data);
    [[nodiscard]] u8 take_media_event();
    [[nodiscard]] u16 profile() const;

    const UnitOptions options_;
    std::shared_ptr<virtio::BlockBackend> medium_;
    std::function<void(bool is_open)> on_tray_moved_;
    // UNIT ATTENTION: what happened to the unit that the next command is told of; of two things
    // the later one here. A guest that never polls sees a new medium as one that went and one that
    // came: `medium_came_` follows when the first has been told.
    enum class Attention : u8 { None, MediumChanged, MediumWent, Reset };
    Attention attention_ = Attention::Reset;
    bool medium_came_ = false;
    bool has_new_medium_ = false, eject_is_wanted_ = false; // events of the media class
    bool write_cache_ = true;
    bool tray_is_open_ = false, removal_is_prevented_ = false;
};

} // namespace ulna::devices::scsi
