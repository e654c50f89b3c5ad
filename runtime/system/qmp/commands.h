// What QMP's clients may ask of a machine.
#pragma once

#include "runtime/system/board.h"
#include "runtime/system/machine_control.h"
#include "runtime/system/qmp/protocol.h"
#include "runtime/system/snapshots.h"

namespace ulna::system::qmp {

// They outlive the commands.
struct MachineParts {
    Machine& machine;
    Board& board;
    Snapshots& snapshots;
    MachineControl& control;
    const SystemOptions& options;
};

[[nodiscard]] std::vector<Command> machine_commands(const MachineParts& parts);
[[nodiscard]] std::string machine_greeting();

// For the table of commands; `arguments` have been checked.
using Handler = Result (*)(const MachineParts& parts, const Json& arguments);

// queries.cpp
Result no_balloon();
Result query_version(const MachineParts&, const Json&);
Result query_status(const MachineParts& parts, const Json&);
Result query_name(const MachineParts& parts, const Json&);
Result query_uuid(const MachineParts& parts, const Json&);
Result query_target(const MachineParts&, const Json&);
Result query_kvm(const MachineParts&, const Json&);
Result query_machines(const MachineParts&, const Json&);
Result query_current_machine(const MachineParts&, const Json&);
Result query_cpu_definitions(const MachineParts&, const Json&);
Result query_cpus(const MachineParts& parts, const Json&);
Result query_memory(const MachineParts& parts, const Json&);
Result query_balloon(const MachineParts& parts, const Json&);
Result query_characters(const MachineParts& parts, const Json&);
Result query_disks(const MachineParts& parts, const Json&);
Result query_pci(const MachineParts& parts, const Json&);
Result query_gic(const MachineParts&, const Json&);

} // namespace ulna::system::qmp
