#include "runtime/common_options.h"

#include <climits>

#include <unistd.h>

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

std::string absolute_path(const std::string& path) {
    char folder[PATH_MAX];
    return path.starts_with('/') || ::getcwd(folder, sizeof folder) == nullptr
               ? path
               : std::string(folder) + "/" + path;
}

} // namespace ulna::runtime
