#include "ir/support/check.h"

#include <cstdio>
#include <cstdlib>

namespace ulna {

void check_failed(const char* what, const char* file, int line) {
    std::fprintf(stderr, "ulna: internal error: %s (%s:%d)\n", what, file, line);
    std::abort();
}

void out_of_memory(const char* what_for) {
    std::fprintf(stderr, "ulna: no memory for %s (limits: ulimit -v)\n", what_for);
    std::_Exit(1);
}

} // namespace ulna
