#include "runtime/engine.h"

#include "runtime/engine_base.h"

namespace ulna::runtime {

std::unique_ptr<Engine> Engine::create(const EngineConfig& config, std::string& why_not) {
    if (config.kind == EngineKind::Interpreter) {
        return make_interpreter_engine(config);
    }
    return make_jit_engine(config, why_not);
}

} // namespace ulna::runtime
