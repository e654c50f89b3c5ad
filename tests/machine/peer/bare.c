#include "bare.h"

volatile struct taken taken;
volatile u64 resume_at, resume_spsr;

static volatile u32* const kUart = (volatile u32*)0x9000000;

void put(const char* text) {
    while (*text) {
        *kUart = *text++;
    }
}

void put_hex(u64 value) {
    char digits[17];
    char* at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    put(at);
}

void put_field(const char* name, u64 value) {
    put(name);
    put_hex(value);
}
