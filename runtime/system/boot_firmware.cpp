#include "runtime/system/boot_firmware.h"

#include "ir/support/check.h"
#include "runtime/system/boot_file.h"

namespace ulna::system {

namespace {

using devices::FwCfg;

class Items {
  public:
    Items(FwCfg& to, const MachineDescription& machine, std::string& why_not)
        : to_(to), most_bytes_(machine.ram_bytes), why_not_(why_not) {
        to_.set_number(FwCfg::kRamSize, machine.ram_bytes, 8);
        to_.set_number(FwCfg::kCpus, machine.cpus.size(), 2);
        to_.set_number(FwCfg::kMaxCpus, machine.cpus.size(), 2);
    }

    bool add_kernel(const BootRequest& request) {
        return add_file(request.kernel, FwCfg::kKernelBytes, FwCfg::kKernelData) &&
               add_file(request.initrd, FwCfg::kInitrdBytes, FwCfg::kInitrdData) &&
               add_command_line(request.command_line);
    }

    bool add(const FirmwareItem& item) {
        std::vector<u8> bytes(item.text.begin(), item.text.end());
        if (!item.file.empty()) {
            std::optional<std::vector<u8>> file = read_file(item.file, most_bytes_, why_not_);
            if (!file) {
                return false;
            }
            bytes = std::move(*file);
        }
        if (!to_.add_file(item.name, std::move(bytes), why_not_)) {
            why_not_ = "-fw_cfg name=" + item.name + ": " + why_not_;
            return false;
        }
        return true;
    }

  private:
    // Firmware starts EFI programs, not what gzip made of them.
    bool add_file(const std::string& path, FwCfg::Key size, FwCfg::Key data) {
        if (path.empty()) {
            return true;
        }
        std::optional<std::vector<u8>> file = read_file(path, most_bytes_, why_not_);
        if (file && size == FwCfg::kKernelBytes && is_gzip(*file)) {
            file = unpack_gzip(*file, most_bytes_, why_not_);
            why_not_ = file ? why_not_ : path + ": " + why_not_;
        }
        if (!file) {
            return false;
        }
        to_.set_number(size, file->size(), 4);
        to_.set(data, std::move(*file));
        return true;
    }

    // With the zero that ends it.
    bool add_command_line(const std::string& text) {
        if (!text.empty()) {
            to_.set_number(FwCfg::kCommandLineBytes, text.size() + 1, 4);
            const u8* const first = reinterpret_cast<const u8*>(text.c_str());
            to_.set(FwCfg::kCommandLineData, {first, first + text.size() + 1});
        }
        return true;
    }

    FwCfg& to_;
    const u64 most_bytes_;
    std::string& why_not_;
};

} // namespace

bool add_firmware_items(devices::FwCfg& to,
                        const BootRequest& request,
                        const MachineDescription& machine,
                        const std::vector<FirmwareItem>& items,
                        std::string& why_not) {
    Items all(to, machine, why_not);
    if (request.has_firmware && !all.add_kernel(request)) {
        return false;
    }
    for (const FirmwareItem& item : items) {
        if (!all.add(item)) {
            return false;
        }
    }
    return true;
}

void add_acpi_files(FwCfg& to, const MachineDescription& machine, const acpi::Identity& identity) {
    acpi::Files files = acpi::make_tables(machine, identity);
    std::string why_not;
    CHECK(to.add_file("etc/acpi/rsdp", std::move(files.rsdp), why_not)); // the first to do so
    CHECK(to.add_file("etc/acpi/tables", std::move(files.tables), why_not));
    CHECK(to.add_file("etc/table-loader", std::move(files.loader), why_not));
}

void add_smbios_files(FwCfg& to, const MachineDescription& machine, const SmbiosOptions& options) {
    SmbiosFiles files = make_smbios(machine, options);
    const Uuid& uuid = options.system.uuid;
    to.set(FwCfg::kUuid, {uuid.begin(), uuid.end()});
    std::string why_not;
    CHECK(to.add_file("etc/smbios/smbios-anchor", std::move(files.anchor), why_not));
    CHECK(to.add_file("etc/smbios/smbios-tables", std::move(files.tables), why_not));
}

} // namespace ulna::system
