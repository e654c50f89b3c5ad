// Between the files of the command line's parser.
#pragma once

#include "runtime/system/command_line.h"

namespace ulna::system {

struct CommandLineParse {
    SystemOptions options;
    std::optional<int> exit_status;
    std::string message;

    // The first answer or error stays.
    void fail(const std::string& why) { finish(1, "ulna-system: " + why + "\n"); }
    void answer(const std::string& text) { finish(0, text); }

  private:
    void finish(int status, const std::string& text) {
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
void set_icount(CommandLineParse& parse, const std::string& value);
void set_semihosting(CommandLineParse& parse, const std::string& value);
void set_rtc(CommandLineParse& parse, const std::string& value);

// command_line_devices.cpp
void add_drive(CommandLineParse& parse, const std::string& value);
void add_device(CommandLineParse& parse, const std::string& value);
void add_network(CommandLineParse& parse, const std::string& value);
void add_nic(CommandLineParse& parse, const std::string& value);
void add_firmware_item(CommandLineParse& parse, const std::string& value);
void add_object(CommandLineParse& parse, const std::string& value);
void add_serial(CommandLineParse& parse, const std::string& value);
// Whether devices name what there is.
void check_devices(CommandLineParse& parse);

} // namespace ulna::system
