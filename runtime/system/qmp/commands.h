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
    const SystemOptions& options; // of its start; what there is now, `control` knows
};

[[nodiscard]] std::vector<Command> machine_commands(const MachineParts& parts);
[[nodiscard]] std::string machine_greeting();

// For the table of commands; `arguments` have been checked.
using Handler = Result (*)(const MachineParts& parts, const Json& arguments);

[[nodiscard]] Result done();
// By what says why not, if anything.
[[nodiscard]] Result done_unless(const std::string& why_not);

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
Result query_pci(const MachineParts& parts, const Json&);
Result query_gic(const MachineParts&, const Json&);

// types.cpp
Result list_types(const MachineParts&, const Json& arguments);
Result list_device_properties(const MachineParts&, const Json& arguments);
Result list_type_properties(const MachineParts&, const Json& arguments);
Result expand_cpu_model(const MachineParts&, const Json& arguments);

// objects.cpp
Result list_object(const MachineParts& parts, const Json& arguments);
Result get_property(const MachineParts& parts, const Json& arguments);

// command_line_options.cpp
Result query_command_line_options(const MachineParts&, const Json& arguments);

// block_queries.cpp
Result query_drives(const MachineParts& parts, const Json&);
Result query_nodes(const MachineParts& parts, const Json&);
Result query_block_statistics(const MachineParts& parts, const Json& arguments);

// block_commands.cpp
Result add_node(const MachineParts& parts, const Json& arguments);
Result remove_node(const MachineParts& parts, const Json& arguments);
Result eject(const MachineParts& parts, const Json& arguments);
Result open_tray(const MachineParts& parts, const Json& arguments);
Result close_tray(const MachineParts& parts, const Json& arguments);
Result remove_medium(const MachineParts& parts, const Json& arguments);
Result insert_medium(const MachineParts& parts, const Json& arguments);
Result change_medium(const MachineParts& parts, const Json& arguments);

// hot_plug_commands.cpp
Result add_device(const MachineParts& parts, const Json& arguments);
Result remove_device(const MachineParts& parts, const Json& arguments);
Result add_network(const MachineParts& parts, const Json& arguments);
Result remove_network(const MachineParts& parts, const Json& arguments);
Result set_link(const MachineParts& parts, const Json& arguments);
Result name_descriptor(const MachineParts& parts, const Json& arguments);
Result close_descriptor(const MachineParts& parts, const Json& arguments);
Result add_object(const MachineParts& parts, const Json& arguments);
Result remove_object(const MachineParts& parts, const Json& arguments);
Result add_characters(const MachineParts& parts, const Json& arguments);
Result remove_characters(const MachineParts& parts, const Json& arguments);

} // namespace ulna::system::qmp
