// machine: -M secure=on
// SCR_EL3.API: what would use an enabled key below EL3 is trapped to EL3.
#include "support.h"

extern const char signs[], authenticates[];
asm(".pushsection .text\n"
    "signs: pacia x0, x1\n smc #1\n"
    "authenticates: autiasp\n smc #1\n"
    ".popsection");

void main(void) {
    const u64 kSecure = 0x430, kApi = 1ul << 17, kEnIA = 1ul << 31;
    print("EL%d\n", current_el());
    for (u64 enabled = 0; enabled != 2; ++enabled) {
        print("key %s\n", enabled ? "enabled" : "disabled");
        write_register("sctlr_el1", enabled ? 0x30d00800 | kEnIA : 0x30d00800);
        write_register("scr_el3", kSecure);
        run_lower(signs, kEl1h, 5, 0);
        run_lower(authenticates, kEl1h, 5, 0);
        write_register("scr_el3", kSecure | kApi);
        run_lower(signs, kEl1h, 5, 0);
    }
    write_register("sctlr_el3", read_register("sctlr_el3") | kEnIA);
    write_register("scr_el3", kSecure);
    TRY("pacia x0, x1\n", 0, 0);
    print("end\n");
}
