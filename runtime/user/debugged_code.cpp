#include "runtime/user/debugged_code.h"

namespace ulna::user {

runtime::debug::StopPoints& stop_points() {
    static auto* const points = new runtime::debug::StopPoints; // other threads run until the end
    return *points;
}

} // namespace ulna::user
