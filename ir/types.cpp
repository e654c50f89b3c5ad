#include "ir/types.h"

#include "ir/guest_state.h"

namespace ulna::ir {

const char* type_name(Type type) {
    constexpr const char* kNames[] = {"void", "i1",  "i8",  "i16",  "i32", "i64",
                                      "f16",  "f32", "f64", "v128", "nzcv"};
    return kNames[static_cast<unsigned>(type)];
}

const char* cond_name(Cond cond) {
    constexpr const char* kNames[] = {"eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc",
                                      "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};
    return kNames[static_cast<unsigned>(cond)];
}

namespace {
struct SlotName {
    char text[16] = {};
};

// "x" and 17 make "x17".
constexpr SlotName numbered(const char* text, unsigned number) {
    SlotName name;
    unsigned n = 0;
    for (; *text != 0; ++text) {
        name.text[n++] = *text;
    }
    if (number >= 10) {
        name.text[n++] = static_cast<char>('0' + number / 10);
    }
    name.text[n] = static_cast<char>('0' + number % 10);
    return name;
}

constexpr SlotName plain(const char* text) {
    SlotName name;
    for (unsigned n = 0; text[n] != 0; ++n) {
        name.text[n] = text[n];
    }
    return name;
}

constexpr auto kSlotNames = [] {
    std::array<SlotName, kSlotCount> table{};
    unsigned next = 0;
#define SLOTS(name, last, text, type, member, group)                                               \
    for (unsigned i = 0; i <= last; ++i) {                                                         \
        table[next++] = numbered(text, i);                                                         \
    }
#define SLOT(name, text, type, member, group) table[next++] = plain(text);
#include "ir/guest_state.def"
#undef SLOT
#undef SLOTS
    return table;
}();
} // namespace

const char* slot_name(Slot slot) { return kSlotNames[static_cast<unsigned>(slot)].text; }

const char* exit_reason_name(ExitReason reason) {
    constexpr const char* kNames[] = {"none",          "lookup",       "svc",
                                      "undefined",     "breakpoint",   "invalidatecache",
                                      "contextsync",   "safepoint",    "fetchfault",
                                      "fault",         "alignment",    "pacfail",
                                      "pactrap",       "branchtarget", "misalignedpc",
                                      "mops",          "spalignment",  "tagcheckload",
                                      "tagcheckstore", "watchpoint",   "system",
                                      "fpdisabled",    "memoryaccess", "instructionlimit",
                                      "rangemiss",     "halt"};
    static_assert(std::size(kNames) == kExitReasonCount);
    return kNames[static_cast<unsigned>(reason)];
}

} // namespace ulna::ir
