// Between the files of the command line's parser.
#pragma once

#include <algorithm>

#include "runtime/common_options.h"
#include "runtime/system/command_line.h"
#include "runtime/system/properties.h"

namespace ulna::system {

struct CommandLineParse : runtime::ParseEnd {
    CommandLineParse() : ParseEnd{.program = "ulna-system"} {}
    SystemOptions options;

    // What is wrong, without the words for who says it and of which option.
    [[nodiscard]] std::string reason() const {
        const std::string start = std::string{program} + ": -";
        const std::size_t begin =
            message.starts_with(start) ? message.find(' ', start.size()) + 1 : 0;
        return message.substr(begin, message.find('\n') - begin);
    }

    // After all properties of an option have been taken.
    void finish(const std::string& option, Properties& properties) {
        if (const std::string error = properties.finish(); !error.empty()) {
            fail(option + " " + error);
        }
    }
};

// Back ends of a kind have names of their own.
template <class Options>
void add_with_id(std::vector<Options>& all, Options one, Properties& properties) {
    if (!one.id.empty() && std::ranges::count(all, one.id, &Options::id) != 0) {
        properties.fail("id=" + one.id + ": there is another one");
    }
    all.push_back(std::move(one));
}

// command_line_machine.cpp
void set_machine(CommandLineParse& parse, const std::string& value);
void set_cpu(CommandLineParse& parse, const std::string& value);
void set_cpus(CommandLineParse& parse, const std::string& value);
void set_memory(CommandLineParse& parse, const std::string& value);
void set_accelerator(CommandLineParse& parse, const std::string& value);
void set_semihosting(CommandLineParse& parse, const std::string& value);
void set_rtc(CommandLineParse& parse, const std::string& value);
void set_icount(CommandLineParse& parse, const std::string& value);

// command_line_smbios.cpp
void set_smbios(CommandLineParse& parse, const std::string& value);
void set_uuid(CommandLineParse& parse, const std::string& value);

// command_line_backends.cpp
void add_drive(CommandLineParse& parse, const std::string& value);
void add_folder(CommandLineParse& parse, const std::string& value);
void add_virtfs(CommandLineParse& parse, const std::string& value);
void add_characters(CommandLineParse& parse, const std::string& value);
void add_firmware_item(CommandLineParse& parse, const std::string& value);
void add_serial(CommandLineParse& parse, const std::string& value);
void set_monitor(CommandLineParse& parse, const std::string& value);
void add_qmp(CommandLineParse& parse, const std::string& value);
void add_monitor(CommandLineParse& parse, const std::string& value);
// Puts the words of character devices where serial ports and monitors name them.
void resolve_characters(CommandLineParse& parse);

// command_line_blockdev.cpp
void add_block_node(CommandLineParse& parse, const std::string& value);

// command_line_objects.cpp
void add_object(CommandLineParse& parse, const std::string& value);
void check_objects(CommandLineParse& parse);
void check_audio(CommandLineParse& parse, const std::string& value);

// command_line_networks.cpp
void add_network(CommandLineParse& parse, const std::string& value);
void add_nic(CommandLineParse& parse, const std::string& value);

// command_line_devices.cpp
void add_device(CommandLineParse& parse, const std::string& value);
void set_mac(DeviceOption& device, Properties& properties);
// command_line_pci.cpp
void set_pci_place(DeviceOption& device, Properties& properties);
void set_root_port(DeviceOption& device, Properties& properties);
void place_pci_devices(CommandLineParse& parse);
// command_line_scsi.cpp
void set_scsi_bus(DeviceOption& device, Properties& properties);
void set_scsi_unit(DeviceOption& device, Properties& properties);
void place_scsi_units(CommandLineParse& parse);
// Whether devices name what there is, and have their places.
void check_devices(CommandLineParse& parse);

} // namespace ulna::system
