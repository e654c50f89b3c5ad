// What a bare-metal program has: the first serial port, and the last exception.
#pragma once

typedef unsigned long u64;
typedef unsigned int u32;

// The last exception that start.S has noted; level 0: none since it was set to that.
struct taken {
    u64 esr, level, spsr, far, elr, vector;
};
extern volatile struct taken taken;
extern volatile u64 resume_at, resume_spsr;

void put(const char* text);
void put_hex(u64 value);
void put_field(const char* name, u64 value);

#define EC(esr) ((esr) >> 26)
