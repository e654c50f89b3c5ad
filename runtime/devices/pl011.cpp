#include "runtime/devices/pl011.h"

#include <algorithm>

#include "runtime/devices/guest_error.h"
#include "runtime/devices/primecell.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

namespace {
// clang-format off
constexpr u64 kDr = 0x00, kRsr = 0x04, kFr = 0x18, kIlpr = 0x20, kIbrd = 0x24, kFbrd = 0x28,
              kLcrH = 0x2c, kCr = 0x30, kIfls = 0x34, kImsc = 0x38, kRis = 0x3c, kMis = 0x40,
              kIcr = 0x44, kDmacr = 0x48;
// UARTFR
constexpr u32 kCts = 1 << 0, kDsr = 1 << 1, kDcd = 1 << 2, kBusy = 1 << 3, kRxEmpty = 1 << 4,
              kTxFull = 1 << 5, kRxFull = 1 << 6, kTxEmpty = 1 << 7, kRi = 1 << 8;
// UARTCR
constexpr u32 kLoopback = 1 << 7, kTxEnable = 1 << 8, kRxEnable = 1 << 9, kDtr = 1 << 10,
              kRts = 1 << 11, kOut1 = 1 << 12, kOut2 = 1 << 13;
// UARTIMSC, UARTRIS, UARTMIS, UARTICR
constexpr u32 kRxInterrupt = 1 << 4, kTxInterrupt = 1 << 5, kTimeoutInterrupt = 1 << 6,
              kBreakInterrupt = 1 << 9, kOverrunInterrupt = 1 << 10, kAllInterrupts = 0x7ff;
// clang-format on
constexpr u32 kBreakEnable = 1 << 0, kFifoEnable = 1 << 4; // UARTLCR_H
// UARTDR above the byte; UARTRSR has them four bits lower.
constexpr u32 kBreakEntry = 1 << 10, kOverrun = 1 << 3, kErrorShift = 8;
constexpr std::size_t kFifoDepth = 16;
constexpr PrimeCellId kId{0x11, 0x10, 0x14, 0x00}; // r1p1: from r1p5 on FIFOs have 32 bytes
} // namespace

Pl011::Pl011(CharacterBackend& line, InterruptLine& interrupt)
    : line_(line), interrupt_(interrupt) {
    reset();
    line_.connect(this);
}

Pl011::~Pl011() { line_.connect(nullptr); }

void Pl011::reset() {
    received_.clear();
    to_send_.clear();
    receive_status_ = low_power_ = integer_baud_ = fractional_baud_ = line_control_ = 0;
    control_ = kTxEnable | kRxEnable;
    fifo_levels_ = 0x12; // half full, both
    mask_ = raised_ = dma_control_ = 0;
    update_interrupt();
}

void Pl011::visit_state(StateVisitor& visit) {
    visit.sequence(received_, kFifoDepth);
    visit.sequence(to_send_, kFifoDepth);
    visit(receive_status_, low_power_, integer_baud_, fractional_baud_, line_control_, control_,
          fifo_levels_, mask_, raised_, dma_control_);
    if (visit.loading()) {
        update_interrupt();
        line_.room_grew();
        if (!line_.congested()) {
            output_resumed();
        }
    }
}

// --- receiving

std::size_t Pl011::fifo_depth() const {
    return (line_control_ & kFifoEnable) != 0 ? kFifoDepth : 1;
}

std::size_t Pl011::receive_trigger() const {
    constexpr u8 kLevels[] = {2, 4, 8, 12, 14};
    return fifo_depth() == 1 ? 1 : kLevels[std::min<u32>(fifo_levels_ >> 3 & 7, 4)];
}

// Enabled or not: as on QEMU, where much bare-metal software never enables the port.
std::size_t Pl011::room() const { return fifo_depth() - std::min(fifo_depth(), received_.size()); }

void Pl011::receive(std::span<const u8> bytes) {
    for (const u8 byte : bytes) {
        push(byte);
    }
    update_receive_interrupts();
}

void Pl011::receive_break() {
    push(kBreakEntry);
    raised_ |= kBreakInterrupt;
    update_receive_interrupts();
}

void Pl011::push(u32 entry) {
    if (received_.size() >= fifo_depth()) {
        receive_status_ |= kOverrun;
        raised_ |= kOverrunInterrupt;
        return;
    }
    received_.push_back(entry);
}

u32 Pl011::read_data() {
    if (received_.empty()) {
        return 0;
    }
    const u32 entry = received_.front() | (receive_status_ & kOverrun) << kErrorShift;
    received_.pop_front();
    receive_status_ = (receive_status_ & kOverrun) | entry >> kErrorShift;
    update_receive_interrupts();
    line_.room_grew();
    return entry;
}

// The timeout, meant for a few bytes below the trigger level, is over at once: nothing is on its
// way that could be waited for.
void Pl011::update_receive_interrupts() {
    const bool full_enough = received_.size() >= receive_trigger();
    const bool some = fifo_depth() > 1 && !received_.empty();
    raised_ &= ~(kRxInterrupt | kTimeoutInterrupt);
    raised_ |= full_enough ? kRxInterrupt : some ? kTimeoutInterrupt : 0;
    update_interrupt();
}

// --- sending

void Pl011::write_data(u8 byte) {
    if ((control_ & kLoopback) != 0) {
        push(byte);
        update_receive_interrupts();
    } else if (!line_.congested() && to_send_.empty()) {
        line_.write({&byte, 1});
    } else { // what does not fit is lost; the interrupt comes when the rest has been sent
        if (to_send_.size() < fifo_depth()) {
            to_send_.push_back(byte);
        }
        return;
    }
    raised_ |= kTxInterrupt;
    update_interrupt();
}

void Pl011::output_resumed() {
    if (to_send_.empty()) {
        return;
    }
    for (const u8 byte : to_send_) {
        line_.write({&byte, 1});
    }
    to_send_.clear();
    raised_ |= kTxInterrupt;
    update_interrupt();
}

// --- registers

u32 Pl011::flags() const {
    const bool looped = (control_ & kLoopback) != 0;
    const auto output = [&](u32 bit) { return (control_ & bit) != 0; };
    // A cable with all its wires. In loopback the inputs are our own outputs.
    return (!looped || output(kRts) ? kCts : 0) | (!looped || output(kDtr) ? kDsr : 0) |
           (!looped || output(kOut2) ? kDcd : 0) | (looped && output(kOut1) ? kRi : 0) |
           (received_.empty() ? kRxEmpty : 0) | (room() == 0 ? kRxFull : 0) |
           (to_send_.empty() ? kTxEmpty : kBusy) | (to_send_.size() >= fifo_depth() ? kTxFull : 0);
}

void Pl011::update_interrupt() { interrupt_.set((raised_ & mask_) != 0); }

u64 Pl011::read(u64 offset, unsigned bytes) {
    switch (offset) {
    case kDr:
        return read_data();
    case kRsr:
        return receive_status_;
    case kFr:
        return flags();
    case kIlpr:
        return low_power_;
    case kIbrd:
        return integer_baud_;
    case kFbrd:
        return fractional_baud_;
    case kLcrH:
        return line_control_;
    case kCr:
        return control_;
    case kIfls:
        return fifo_levels_;
    case kImsc:
        return mask_;
    case kRis:
        return raised_;
    case kMis:
        return raised_ & mask_;
    case kDmacr:
        return dma_control_;
    default:
        break;
    }
    if (const auto id = read_primecell_id(kId, offset)) {
        return *id;
    }
    log_bad_access("pl011", Direction::Read, offset, bytes);
    return 0;
}

void Pl011::write(u64 offset, unsigned bytes, u64 wide) {
    const u32 value = static_cast<u32>(wide);
    switch (offset) {
    case kDr:
        write_data(static_cast<u8>(value));
        break;
    case kRsr: // UARTECR
        receive_status_ = 0;
        break;
    case kIlpr:
        low_power_ = value & 0xff;
        break;
    case kIbrd:
        integer_baud_ = value & 0xffff;
        break;
    case kFbrd:
        fractional_baud_ = value & 0x3f;
        break;
    case kLcrH:
        if (((line_control_ ^ value) & kFifoEnable) != 0) {
            received_.clear(); // DDI 0183 3.3.7: the FIFOs become holding registers
        }
        if ((control_ & kLoopback) != 0 && (value & ~line_control_ & kBreakEnable) != 0) {
            receive_break();
        }
        line_control_ = value & 0xff;
        update_receive_interrupts();
        line_.room_grew();
        break;
    case kCr:
        control_ = value & 0xffff;
        break;
    case kIfls:
        fifo_levels_ = value & 0x3f;
        update_receive_interrupts();
        break;
    case kImsc:
        mask_ = value & kAllInterrupts;
        update_interrupt();
        break;
    case kIcr:
        raised_ &= ~value;
        update_interrupt();
        break;
    case kDmacr:
        dma_control_ = value & 7;
        break;
    default:
        log_bad_access("pl011", Direction::Write, offset, bytes);
    }
}

} // namespace ulna::devices
