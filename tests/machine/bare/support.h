// What the bare-metal programs share. They print what they see; tests/machine/README.md says how it
// is judged.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

// --- the console: %x (u64, hexadecimal), %d (u64, decimal), %s
void print(const char* format, ...);

// --- firmware
u64 psci(u64 function, u64 a, u64 b, u64 c);
enum { kPsciCpuOff = 0x84000002, kPsciSystemOff = 0x84000008 };
enum { kPsciVersion = 0x84000000 };
#define PSCI_CPU_ON 0xc4000003ul
#define PSCI_AFFINITY_INFO 0xc4000004ul
void power_off(void) __attribute__((noreturn));
// Starts CPU `number` in secondary_main, which a program may define.
u64 start_cpu(u64 number);
void secondary_start(void);
void secondary_main(u64 cpu);

// --- registers
#define read_register(name)                                                                        \
    ({                                                                                             \
        u64 value_;                                                                                \
        asm volatile("mrs %0, " name : "=r"(value_)::"memory");                                    \
        value_;                                                                                    \
    })
#define write_register(name, value)                                                                \
    asm volatile("msr " name ", %0\n\tisb" ::"r"((u64)(value)) : "memory")
static inline u64 current_el(void) { return read_register("currentel") >> 2; }

// --- exceptions
enum Source { kSameSp0, kSameSpx, kLower64, kLower32 };
enum Kind { kSynchronous, kIrq, kFiq, kSerror };

struct Frame {
    u64 x[31];
    u64 elr, spsr, esr, far;
    u8 source, kind, el, unused[5];
    u64 sp_el0, padding;
};
_Static_assert(sizeof(struct Frame) == 304, "start.S makes it");

// Takes an interrupt; without one they are printed.
extern void (*on_interrupt)(struct Frame* frame);
// Sees a synchronous exception first; 1: it has dealt with it.
extern int (*on_synchronous)(struct Frame* frame);
extern volatile u64 exceptions_taken;
extern u64 spsr_printed; // which of its bits

// Runs one instruction, or several, with X0 and X1; an exception is printed, ELR as the distance
// from the first one, and goes on behind the last one. The value is X0.
#define TRY(code, a, b)                                                                            \
    ({                                                                                             \
        register u64 x0_ asm("x0") = (u64)(a);                                                     \
        register u64 x1_ asm("x1") = (u64)(b);                                                     \
        asm volatile("adr x9, 1f\n\tadr x10, 2f\n\t"                                               \
                     "adrp x11, try_range\n\tadd x11, x11, :lo12:try_range\n\t"                    \
                     "stp x9, x10, [x11]\n"                                                        \
                     "1:\t" code "\n2:\t"                                                          \
                     "adrp x11, try_range\n\tadd x11, x11, :lo12:try_range\n\t"                    \
                     "stp xzr, xzr, [x11]"                                                         \
                     : "+r"(x0_), "+r"(x1_)                                                        \
                     :                                                                             \
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", \
                       "x30", "memory", "cc");                                                     \
        x0_;                                                                                       \
    })

// Runs code at EL0 (`spsr` 0) or, from EL2 and EL3, at EL1; the first exception to here ends that.
// SVC #0 from EL0 and HVC #0 from EL1 do so silently, others are printed, ELR relative to `entry`.
u64 run_lower(const void* entry, u64 spsr, u64 x0, u64 x1);
void leave_lower(u64 x0) __attribute__((noreturn)); // from on_synchronous
enum { kEl0 = 0x3c0, kEl1h = 0x3c5 };

// --- code that programs write at run time
void write_code(volatile u32* at, const u32* words, u64 count);
