#include "support.h"

#include <stdarg.h>

void (*on_interrupt)(struct Frame*);
int (*on_synchronous)(struct Frame*);
volatile u64 exceptions_taken;
volatile u64 try_range[2]; // of TRY
static u64 lower_entry;
// Flags are what the compiler left; ALLINT depends on FEAT_NMI, BTYPE on how one got there.
u64 spsr_printed = ~0xf0002c00ul;

// --- console

static volatile u32* const kUart = (volatile u32*)0x09000000;

static void put(char c) {
    enum { kFlags = 0x18 / 4, kTransmitFull = 1 << 5 };
    while (kUart[kFlags] & kTransmitFull) {
    }
    kUart[0] = (u8)c;
}

static void put_number(u64 value, u64 base) {
    char digits[24];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count != 0) {
        put(digits[--count]);
    }
}

void print(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    for (; *format; ++format) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        switch (*++format) {
        case 'x':
            put_number(va_arg(arguments, u64), 16);
            break;
        case 'd':
            put_number(va_arg(arguments, u64), 10);
            break;
        case 's':
            for (const char* s = va_arg(arguments, const char*); *s; ++s) {
                put(*s);
            }
            break;
        default:
            put(*format);
        }
    }
    va_end(arguments);
}

// --- firmware

u64 psci(u64 function, u64 a, u64 b, u64 c) {
    register u64 x0 asm("x0") = function;
    register u64 x1 asm("x1") = a;
    register u64 x2 asm("x2") = b;
    register u64 x3 asm("x3") = c;
    if (current_el() >= 2) {
        asm volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    } else {
        asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    }
    return x0;
}

// Where this is EL3's software, the machine has pins for that.
static __attribute__((noreturn)) void drive_power_off_pin(void) {
    volatile u32* const pins = (volatile u32*)0x090b0000;
    enum { kPin = 1 << 0, kData = kPin, kDirection = 0x400 / 4 };
    pins[kDirection] = kPin;
    pins[kData] = kPin;
    for (;;) {
    }
}

void power_off(void) {
    if (current_el() == 3) {
        drive_power_off_pin();
    }
    psci(kPsciSystemOff, 0, 0, 0);
    for (;;) {
    }
}

u64 start_cpu(u64 number) { return psci(PSCI_CPU_ON, number, (u64)secondary_start, number); }

__attribute__((weak)) void secondary_main(u64 cpu) {
    (void)cpu;
    psci(kPsciCpuOff, 0, 0, 0);
}

// --- exceptions

static void print_exception(const struct Frame* frame, u64 base) {
    static const char* const kSources[] = {"same EL, SP0", "same EL, SPx", "lower EL", "AArch32"};
    static const char* const kKinds[] = {"synchronous", "IRQ", "FIQ", "SError"};
    const s64 distance = (s64)(frame->elr - base);
    print("  [EL%d %s, %s: ", (u64)frame->el, kKinds[frame->kind], kSources[frame->source]);
    if (frame->kind == kSynchronous || frame->kind == kSerror) {
        print("EC %x ISS %x, ", frame->esr >> 26 & 63, frame->esr & 0x1ffffff);
        if ((frame->esr >> 25 & 1) == 0) {
            print("IL 0, ");
        }
    }
    if (base == 0 || distance < -4096 || distance > 4096) {
        print("ELR %x", frame->elr);
    } else {
        print("ELR %s%x", distance < 0 ? "-" : "+", (u64)(distance < 0 ? -distance : distance));
    }
    print(", SPSR %x", frame->spsr & spsr_printed);
    // FAR is UNKNOWN but for aborts, alignment of PC and watchpoints.
    const u64 ec = frame->esr >> 26 & 63;
    if (frame->kind == kSynchronous && (ec == 0x20 || ec == 0x21 || ec == 0x22 || ec == 0x24 ||
                                        ec == 0x25 || ec == 0x34 || ec == 0x35)) {
        print(", FAR %x", frame->far);
    }
    print("]\n");
}

static int is_silent_return(const struct Frame* frame) {
    const u64 ec = frame->esr >> 26 & 63;
    return (ec == 0x15 || ec == 0x16) && (frame->esr & 0xffff) == 0;
}

void handle_exception(struct Frame* frame) {
    ++exceptions_taken;
    if (frame->kind != kSynchronous && on_interrupt != 0) {
        on_interrupt(frame);
        return;
    }
    if (frame->kind == kSynchronous && on_synchronous != 0 && on_synchronous(frame)) {
        return;
    }
    if (frame->source >= kLower64) {
        if (!is_silent_return(frame)) {
            print_exception(frame, lower_entry);
        }
        leave_lower(frame->x[0]);
    }
    print_exception(frame, try_range[0]);
    if (try_range[1] == 0) {
        print("nobody expected this exception\n");
        power_off();
    }
    // Back to the state of before, also where TRY left it for another one.
    frame->elr = try_range[1];
    frame->spsr &= ~(u64)(1 << 20 | 1 << 21); // IL, SS
}

u64 run_lower_from_el1(u64 entry, u64 spsr, u64 x0, u64 x1);
u64 run_lower_from_el2(u64 entry, u64 spsr, u64 x0, u64 x1);
u64 run_lower_from_el3(u64 entry, u64 spsr, u64 x0, u64 x1);

u64 run_lower(const void* entry, u64 spsr, u64 x0, u64 x1) {
    lower_entry = (u64)entry;
    return current_el() == 3   ? run_lower_from_el3((u64)entry, spsr, x0, x1)
           : current_el() == 2 ? run_lower_from_el2((u64)entry, spsr, x0, x1)
                               : run_lower_from_el1((u64)entry, spsr, x0, x1);
}

// --- code

void write_code(volatile u32* at, const u32* words, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        at[i] = words[i];
        asm volatile("dc cvau, %0" ::"r"(&at[i]) : "memory");
    }
    asm volatile("dsb ish" ::: "memory");
    for (u64 i = 0; i < count; ++i) {
        asm volatile("ic ivau, %0" ::"r"(&at[i]) : "memory");
    }
    asm volatile("dsb ish\n\tisb" ::: "memory");
}

// --- what the compiler calls

void* memcpy(void* to, const void* from, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        ((volatile u8*)to)[i] = ((const u8*)from)[i];
    }
    return to;
}
void* memset(void* to, int value, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        ((volatile u8*)to)[i] = (u8)value;
    }
    return to;
}
