// Start-up: prints and ends.
#include "kernel.h"
uint64_t kernel(void) { return 42; }
