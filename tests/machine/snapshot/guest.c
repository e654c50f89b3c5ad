// What snapshots are tested with: two CPUs that count interrupts of their timers. Each line of the
// first has its count, what memory has made of it, what CPU 1 has counted, a vector register, what a
// function returns whose code changes with "m", and the physical count in milliseconds. "q" ends it;
// "o" switches the first CPU off. With memory tagging a tag changes with the code: 99 if it does not.
#include "../bare/gic.h"
#include "../bare/paging.h"

asm(".arch_extension memtag");

enum { kVirtual = 27 };
static volatile u64 count, sum, other_count;
static u64 history[1 << 16]; // of sums: pages that come one by one
static volatile u32* const kUart = (volatile u32*)0x09000000;

u32 changing[2] __attribute__((aligned(64)));
static u64 tagged; // memory with tags; 0: there is none
static void change_code(u32 value) {
    const u32 words[2] = {0xd2800000 | value << 5, 0xd65f03c0}; // MOV X0, #value; RET
    write_code(changing, words, 2);
    if (tagged) {
        asm volatile("stg %0, [%1]" ::"r"((u64)value << 56), "r"(tagged) : "memory");
    }
}
static u64 what_changes(void) {
    const u64 code = ((u64(*)(void))changing)();
    u64 tag = code << 56;
    if (tagged) {
        asm volatile("ldg %0, [%1]" : "+r"(tag) : "r"(tagged));
    }
    return tag == code << 56 ? code : 99;
}
static void find_tags(void) {
    enum { kIndex = 3 };
    if ((read_register("id_aa64pfr1_el1") >> 8 & 15) < 2) {
        return;
    }
    const struct Space space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    write_register("mair_el1", kMair | 0xf0ul << 8 * kIndex);
    write_register("sctlr_el1", read_register("sctlr_el1") | 1ul << 43); // ATA
    tagged = 0x4080000000;
    map(space, tagged, 0x4f000000, 3, kReadWrite | kAttribute(kIndex));
}

static void set_timer(u64 ms) {
    write_register("cntv_tval_el0", read_register("cntfrq_el0") / 1000 * ms);
}

static void tick(struct Frame* frame) {
    (void)frame;
    const u64 interrupt = acknowledge();
    if (read_register("mpidr_el1") & 0xff) {
        ++other_count;
        set_timer(7);
    } else {
        ++count;
        sum = sum * 31 + count;
        history[count * 512 & 0xffff] = sum;
        set_timer(20);
        u64 vector;
        asm volatile("fmov %0, d8" : "=r"(vector));
        const u64 ms = read_register("cntpct_el0") / (read_register("cntfrq_el0") / 1000);
        print("%d %x %d %x %d %d\n", count, history[count * 512 & 0xffff], other_count, vector,
              what_changes(), ms);
    }
    end_of_interrupt(interrupt);
}

static void start_ticking(u64 cpu) {
    enable_gic(cpu);
    enable_private(cpu, kVirtual, 0xa0);
    set_timer(1);
    write_register("cntv_ctl_el0", 1);
    allow_interrupts();
}

void secondary_main(u64 cpu) {
    start_ticking(cpu);
    for (;;) {
        asm volatile("wfi");
    }
}

void main(void) {
    on_interrupt = tick;
    enable_distributor();
    find_tags();
    change_code(1);
    asm volatile("fmov d8, %0" ::"r"(0x123456789abcdeful));
    start_cpu(1);
    start_ticking(0);
    for (;;) {
        asm volatile("wfi");
        if ((kUart[0x18 / 4] & 0x10) == 0) { // UARTFR.RXFE
            const u8 key = (u8)kUart[0];
            if (key == 'q') {
                return;
            }
            if (key == 'o') {
                psci(kPsciCpuOff, 0, 0, 0);
            }
            forbid_interrupts();
            change_code(key == 'm' ? 2 : 1);
            allow_interrupts();
        }
    }
}
