// Without -semihosting, HLT is undefined.
#include "support.h"

void main(void) {
    TRY("hlt #0xf000\n", 0x20, 0);
    TRY("hlt #0\n", 0x20, 0);
    print("end\n");
}
