// The host instructions of a look at the TLB (page_look.h), in LLVM's code and out of it. R11 is
// free.
#pragma once

#include "backend/llvm/host_op.h"
#include "backend/sized_register.h"

namespace ulna::backend::tier2 {

// Writes to `c`; a jump of `condition` to where it does not find the page is the caller's.
class TlbLook {
  public:
    TlbLook(Xbyak::CodeGenerator& c, const PageLook& look, u8 result, u8 address, u8 state)
        : c_{c}, look_{look}, result_{result}, address_{address}, state_{state} {}

    // Until the comparison: above, it is not found.
    void compare_entry() {
        constexpr unsigned kLog2 = 3;
        static_assert(sizeof(ir::Tlb::read[0]) == 1u << kLog2);
        c_.rorx(c_.r11, address_, ir::kTlbPageLog2 - kLog2);
        c_.and_(c_.r11d, static_cast<u32>(ones(ir::kTlbLog2) << kLog2));
        if (!look_.by_gs) {
            c_.add(c_.r11, cell(look_.tlb()));
        }
        load_of_entry(look_.known_page());
        c_.xor_(result_, address_);
        c_.cmp(result_, static_cast<u32>(ir::kTlbPageBytes - look_.bytes));
    }
    void find_by_entry() {
        load_of_entry(offsetof(ir::Tlb, addend));
        c_.add(result_, address_);
    }

    // The same by the page that the instruction had last: not found where not below.
    void compare_slot() {
        c_.mov(c_.r11, cell(look_.slot + offsetof(ir::PageSlot, page)));
        c_.xor_(c_.r11, address_);
        c_.cmp(c_.r11, cell(look_.slot + offsetof(ir::PageSlot, limit)));
    }
    void find_by_slot() {
        c_.mov(result_, cell(look_.slot + offsetof(ir::PageSlot, addend)));
        c_.add(result_, address_);
    }
    // What compare_entry() has found becomes the slot's.
    void fill_slot() {
        c_.xor_(result_, address_);
        c_.mov(cell(look_.slot + offsetof(ir::PageSlot, page)), result_);
        add_of_entry(offsetof(ir::Tlb, addend));
        c_.mov(cell(look_.slot + offsetof(ir::PageSlot, host)), result_);
        load_of_entry(offsetof(ir::Tlb, addend));
        c_.mov(cell(look_.slot + offsetof(ir::PageSlot, addend)), result_);
        c_.mov(qword(look_.slot + offsetof(ir::PageSlot, limit)),
               static_cast<u32>(ir::kTlbPageBytes - look_.slot_bytes + 1));
        c_.or_(qword(offsetof(ir::CpuState, used_slot_groups)), 1u << look_.slot_group);
        c_.add(result_, address_);
    }

  private:
    static int displacement(std::size_t offset) {
        return static_cast<int>(offset) - ir::kStateBias;
    }
    Xbyak::Address cell(std::size_t offset) { return c_.ptr[state_ + displacement(offset)]; }
    Xbyak::Address qword(std::size_t offset) { return c_.qword[state_ + displacement(offset)]; }
    void load_of_entry(std::size_t array) { c_.mov(result_, of_entry(array)); }
    void add_of_entry(std::size_t array) { c_.add(result_, of_entry(array)); }
    // For the next instruction, which it may give a prefix.
    Xbyak::Address of_entry(std::size_t array) {
        constexpr int kGs = 0x65;
        if (look_.by_gs) {
            c_.db(kGs);
        }
        return c_.ptr[c_.r11 + static_cast<int>(array)];
    }

    Xbyak::CodeGenerator& c_;
    const PageLook& look_;
    const Xbyak::Reg64 result_, address_, state_;
};

} // namespace ulna::backend::tier2
