#include "runtime/common_options.h"

namespace ulna::runtime {

std::string cpu_help(CpuHelp help) {
    std::string text = "Available CPUs (-cpu model[,feature=on|off]...):\n";
    for (const frontend::CpuModel& model : frontend::cpu_models()) {
        std::string name = model.name;
        name.resize(14, ' ');
        text += "  " + name + model.description + "\n";
        if (help == CpuHelp::ModelsWithFeatures) {
            text += "   " + frontend::feature_names(model.features) + "\n";
        }
    }
    return text;
}

} // namespace ulna::runtime
