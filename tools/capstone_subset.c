// Keeps the architectures that nobody asks for out of the static programs. Capstone's table of architectures
// names an initialiser for each; with these in place the linker never opens the others' objects, one of
// which alone costs 65,536 relocations, more than half of the time `ulna` needs to start.
#define WITHOUT(arch)                                                                              \
    int arch##_global_init(void* handle) { return (void)handle, 1; }                               \
    int arch##_option(void* handle, int type, unsigned long value) {                               \
        return (void)handle, (void)type, (void)value, 1;                                           \
    }
// clang-format off
WITHOUT(ARM)
WITHOUT(EVM)
WITHOUT(M680X)
WITHOUT(M68K)
WITHOUT(Mips)
WITHOUT(PPC)
WITHOUT(Sparc)
WITHOUT(SystemZ)
WITHOUT(TMS320C64x)
WITHOUT(XCore)
