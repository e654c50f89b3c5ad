// Between the files of the command line's parser.
#pragma once

#include "runtime/system/command_line.h"
#include "runtime/system/properties.h"

namespace ulna::system {

struct CommandLineParse {
    SystemOptions options;
    std::optional<int> exit_status;
    std::string message;

    // The first answer or error stays.
    void fail(const std::string& why) { end(1, "ulna-system: " + why + "\n"); }
    void answer(const std::string& text) { end(0, text); }
    // After all properties of an option have been taken.
    void finish(const std::string& option, Properties& properties) {
        if (const std::string error = properties.finish(); !error.empty()) {
            fail(option + " " + error);
        }
    }

  private:
    void end(int status, const std::string& text) {
        if (!exit_status) {
            exit_status = status;
            message = text;
        }
    }
};

// command_line_machine.cpp
void set_machine(CommandLineParse& parse, const std::string& value);
void set_cpu(CommandLineParse& parse, const std::string& value);
void set_cpus(CommandLineParse& parse, const std::string& value);
void set_memory(CommandLineParse& parse, const std::string& value);
void set_accelerator(CommandLineParse& parse, const std::string& value);
void set_semihosting(CommandLineParse& parse, const std::string& value);
void set_rtc(CommandLineParse& parse, const std::string& value);

// command_line_backends.cpp
void add_drive(CommandLineParse& parse, const std::string& value);
void add_network(CommandLineParse& parse, const std::string& value);
void add_nic(CommandLineParse& parse, const std::string& value);
void add_folder(CommandLineParse& parse, const std::string& value);
void add_virtfs(CommandLineParse& parse, const std::string& value);
void add_characters(CommandLineParse& parse, const std::string& value);
void add_firmware_item(CommandLineParse& parse, const std::string& value);
void add_object(CommandLineParse& parse, const std::string& value);
void add_serial(CommandLineParse& parse, const std::string& value);
// Puts the words of character devices where serial ports name them.
void resolve_serials(CommandLineParse& parse);

// command_line_devices.cpp
void add_device(CommandLineParse& parse, const std::string& value);
void set_mac(DeviceOption& device, Properties& properties);
// Whether devices name what there is, and have their places.
void check_devices(CommandLineParse& parse);

} // namespace ulna::system
