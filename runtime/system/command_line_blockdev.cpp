// -blockdev.
#include "runtime/system/command_line_parse.h"

namespace ulna::system {

void add_block_node(CommandLineParse& parse, const std::string& value) {
    Properties properties = Properties::of_option(value, "driver");
    SystemOptions& options = parse.options;
    parse_block_nodes(properties, options.nodes, options.unnamed_nodes);
    if (!options.nodes.empty() && options.nodes.back().name.starts_with('#')) {
        properties.fail("needs node-name=");
    }
    parse.finish("-blockdev", properties);
}

} // namespace ulna::system
