#include "runtime/devices/virtio/scsi.h"

#include <bit>
#include <cstring>

namespace ulna::devices::virtio {
namespace {

enum Queue : unsigned { kControlQueue = 0, kEventQueue = 1 }; // requests are behind
constexpr u32 kQueueEntries = 256;

// Section 5.6.4; offsets.
enum Config : u64 {
    kNumQueues = 0,
    kSegMax = 4,
    kMaxSectors = 8,
    kCommandsPerUnit = 12,
    kEventInfoBytes = 16,
    kSenseBytes = 20,
    kCdbBytes = 24,
    kMaxTarget = 30,
    kMaxUnit = 32,
};
constexpr u32 kDefaultSenseBytes = 96, kMostSenseBytes = 0xffff;
constexpr u32 kDefaultCdbBytes = 32, kMostCdbBytes = 255;

// Section 5.6.6.1.
constexpr u64 kRequestHeaderBytes = 19; // without the CDB
struct Response {                       // without the sense data
    u32 sense_bytes;
    u32 residual;
    u16 status_qualifier;
    u8 status;
    u8 response;
};
static_assert(sizeof(Response) == 12);
constexpr u8 kCheckCondition = 2; // SAM-5, section 5.3.1
enum Result : u8 {
    kOk = 0,
    kOverrun = 1,
    kBadTarget = 3,
    kFailure = 9,
    kFunctionRejected = 11,
    kIncorrectUnit = 12,
};

// Sections 5.6.6.2: what the control queue is asked for.
enum ControlType : u32 { kTaskManagement = 0, kAskForEvents = 1, kSubscribe = 2 };
enum TaskFunction : u32 {
    kAbortTask = 0,
    kAbortTaskSet = 1,
    kClearTaskSet = 3,
    kResetTarget = 4,
    kResetUnit = 5,
    kQueryTask = 6,
    kQueryTaskSet = 7,
};

// Section 5.6.6.3.
constexpr u64 kHotPlugFeature = 1 << 1;
constexpr u32 kNoEvent = 0, kTransportReset = 1, kMissedEvents = 0x8000'0000;
constexpr u32 kRescan = 1, kRemoved = 2; // reasons of kTransportReset

using UnitBytes = std::array<u8, 8>;
struct Event {
    u32 event;
    UnitBytes unit;
    u32 reason;
};
static_assert(sizeof(Event) == 16);

// Nothing where they name nobody: one level, in the two forms of section 5.6.6.1.
std::optional<scsi::Address> address_of(const UnitBytes& bytes) {
    const u8 form = bytes[2] & 0xc0;
    if (bytes[0] != 1 || (bytes[2] != 0 && form != 0x40)) {
        return std::nullopt;
    }
    return scsi::Address{bytes[1], static_cast<u16>((bytes[2] & 0x3f) << 8 | bytes[3])};
}

} // namespace

// A command to a unit.
class Scsi::Request final : public Worker::Job {
  public:
    Request(Scsi& device, unsigned queue, Chain chain)
        : device_(device), queue_(queue), chain_(std::move(chain)) {}

    [[nodiscard]] const char* parse() {
        const u64 header_bytes = kRequestHeaderBytes + device_.size_at(kCdbBytes);
        std::vector<u8> header(header_bytes);
        answer_bytes_ = sizeof(Response) + device_.size_at(kSenseBytes);
        if (gather(chain_.readable(), 0, header.data(), header_bytes) != header_bytes) {
            return "request without a header";
        }
        if (total_bytes(chain_.writable()) < answer_bytes_) {
            return "request without a place for its response";
        }
        std::copy_n(header.begin(), unit_.size(), unit_.begin());
        cdb_.emplace(std::span<const u8>{header}.subspan(kRequestHeaderBytes));
        out_ = slice(chain_.readable(), header_bytes, ~u64{0});
        in_ = slice(chain_.writable(), answer_bytes_, ~u64{0});
        return nullptr;
    }

    void work() override {
        const u64 out_bytes = total_bytes(out_), in_bytes = total_bytes(in_);
        const auto at = address_of(unit_);
        if (out_bytes != 0 && in_bytes != 0) { // VIRTIO_SCSI_F_INOUT is not there
            return respond({.response = kFailure}, {});
        }
        const auto executed = [&]() -> std::optional<scsi::Completion> {
            const std::lock_guard held{device_.units_lock_};
            return at && device_.bus_->has_target(at->target)
                       ? std::optional{device_.bus_->execute(*at, *cdb_, out_, in_)}
                       : std::nullopt;
        }();
        if (!executed || executed->overrun) {
            return respond({.response = executed ? kOverrun : kBadTarget}, {});
        }
        const scsi::Completion& done = *executed;
        Response response{.residual = static_cast<u32>(out_bytes + in_bytes - done.moved)};
        read_bytes_ = in_bytes != 0 ? done.moved : 0;
        if (done.sense.is_good()) {
            return respond(response, {});
        }
        const auto sense = scsi::fixed_format(done.sense);
        response.status = kCheckCondition;
        respond(response, sense);
    }

    void finish() override { device_.complete(queue_, chain_, answer_bytes_ + read_bytes_); }

  private:
    void respond(Response response, std::span<const u8> sense) {
        const u64 room = answer_bytes_ - sizeof response;
        response.sense_bytes = static_cast<u32>(std::min<u64>(sense.size(), room));
        std::vector<u8> bytes(answer_bytes_);
        std::memcpy(bytes.data(), &response, sizeof response);
        std::copy_n(sense.begin(), response.sense_bytes, bytes.begin() + sizeof response);
        scatter(chain_.writable(), 0, bytes.data(), bytes.size());
    }

    Scsi& device_;
    unsigned queue_;
    Chain chain_;
    UnitBytes unit_{};
    std::optional<scsi::Cdb> cdb_;
    std::vector<iovec> out_, in_;
    u64 answer_bytes_ = 0, read_bytes_ = 0;
};

// A request of the control queue. All commands before it have been carried out when its turn comes,
// so there is no task left that could be aborted.
class Scsi::Task final : public Worker::Job {
  public:
    Task(Scsi& device, unsigned queue, Chain chain)
        : device_(device), queue_(queue), chain_(std::move(chain)) {}

    [[nodiscard]] const char* parse() {
        const u64 unit_at = 4 + (is_management() ? sizeof(u32) : 0);
        if (gather(chain_.readable(), 4, &function_, sizeof function_) != sizeof function_ ||
            gather(chain_.readable(), unit_at, unit_.data(), unit_.size()) != unit_.size()) {
            return "control request that is too short";
        }
        if (total_bytes(chain_.writable()) < answer_bytes()) {
            return "control request without a place for its response";
        }
        return nullptr;
    }

    void work() override {
        std::array<u8, 5> bytes{}; // the events that it will hear of, none; the response
        bytes[answer_bytes() - 1] = serve();
        scatter(chain_.writable(), 0, bytes.data(), answer_bytes());
    }

    void finish() override { device_.complete(queue_, chain_, answer_bytes()); }

  private:
    [[nodiscard]] u32 type() {
        if (!type_) {
            u32 type = kTaskManagement;
            gather(chain_.readable(), 0, &type, sizeof type);
            type_ = type;
        }
        return *type_;
    }
    [[nodiscard]] bool is_management() { return type() == kTaskManagement; }
    [[nodiscard]] bool is_about_events() { return type() == kAskForEvents || type() == kSubscribe; }
    [[nodiscard]] u64 answer_bytes() { return is_about_events() ? 5 : 1; }

    [[nodiscard]] Result serve() {
        const auto at = address_of(unit_);
        if (!is_management() && !is_about_events()) {
            return kFailure;
        }
        const std::lock_guard held{device_.units_lock_};
        if (!at || !device_.bus_->has_target(at->target)) {
            return kBadTarget;
        }
        return is_management() ? manage(*at) : kOk;
    }

    [[nodiscard]] Result manage(scsi::Address at) {
        scsi::LogicalUnit* const unit = device_.bus_->find(at);
        if (function_ == kResetTarget) {
            device_.bus_->for_each([&](scsi::Address one, scsi::LogicalUnit& each) {
                if (one.target == at.target) {
                    each.reset();
                }
            });
            return kOk;
        }
        if (unit == nullptr) {
            return kIncorrectUnit;
        }
        switch (function_) {
        case kResetUnit:
            unit->reset();
            return kOk;
        case kAbortTask:
        case kAbortTaskSet:
        case kClearTaskSet:
        case kQueryTask:
        case kQueryTaskSet:
            return kOk;
        default:
            return kFunctionRejected;
        }
    }

    Scsi& device_;
    unsigned queue_;
    Chain chain_;
    std::optional<u32> type_;
    u32 function_ = 0;
    UnitBytes unit_{};
};

Scsi::Scsi(std::unique_ptr<scsi::Bus> bus,
           std::mutex& machine_lock,
           Worker::Place place,
           bool is_hot_plug)
    : VirtioDevice({kQueueEntries, kQueueEntries, kQueueEntries}),
      bus_(std::move(bus)),
      is_hot_plug_(is_hot_plug),
      worker_(machine_lock, place) {
    fill_config();
}

void Scsi::set(u64 offset, auto value) { std::memcpy(&config_[offset], &value, sizeof value); }

u32 Scsi::size_at(u64 offset) const {
    u32 value = 0;
    std::memcpy(&value, &config_[offset], sizeof value);
    return value;
}

void Scsi::fill_config() {
    set(kNumQueues, u32{1});
    set(kSegMax, u32{kQueueEntries - 2}); // without header and response
    set(kMaxSectors, u32{0xffff});
    set(kCommandsPerUnit, u32{128});
    set(kEventInfoBytes, u32{16});
    set(kMaxTarget, u16{scsi::kTargets - 1});
    set(kMaxUnit, u32{scsi::kUnits - 1});
    set(kSenseBytes, kDefaultSenseBytes);
    set(kCdbBytes, kDefaultCdbBytes);
}

void Scsi::write_config(u64 offset, unsigned bytes, u64 value) {
    const bool is_sense = offset == kSenseBytes;
    if (bytes == 4 && (is_sense || offset == kCdbBytes) &&
        value <= (is_sense ? kMostSenseBytes : kMostCdbBytes)) {
        set(offset, static_cast<u32>(value));
    }
}

u64 Scsi::features() const { return is_hot_plug_ ? kHotPlugFeature : 0; }

void Scsi::reset() {
    has_missed_events_ = false;
    set(kSenseBytes, kDefaultSenseBytes);
    set(kCdbBytes, kDefaultCdbBytes);
    const std::lock_guard held{units_lock_};
    bus_->for_each([](scsi::Address, scsi::LogicalUnit& unit) { unit.reset(); });
}

void Scsi::call(scsi::Address at, const std::function<void(scsi::LogicalUnit&)>& what) {
    const std::lock_guard held{units_lock_};
    what(*bus_->find(at));
}

template <class Job> void Scsi::take_all(unsigned queue) {
    while (auto chain = next(queue)) {
        auto job = std::make_unique<Job>(*this, queue, std::move(*chain));
        if (const char* wrong = job->parse()) {
            return refuse(queue, wrong);
        }
        worker_.add(std::move(job));
    }
}

// Buffers for events stay where they are until there is one.
void Scsi::notified(unsigned queue) {
    if (queue == kControlQueue) {
        take_all<Task>(queue);
    } else if (queue != kEventQueue) {
        take_all<Request>(queue);
    } else if (has_missed_events_) {
        tell(kNoEvent, {}, 0);
    }
}

// Units are written as REPORT LUNS does it.
void Scsi::tell(u32 what, scsi::Address at, u32 reason) {
    if (!has(kHotPlugFeature)) {
        return;
    }
    const auto chain = next(kEventQueue);
    if (!chain) {
        has_missed_events_ = true;
        return;
    }
    const u8 form = at.unit < 256 ? 0 : 0x40;
    const Event event{
        what | (has_missed_events_ ? kMissedEvents : 0),
        {1, at.target, static_cast<u8>(form | at.unit >> 8), static_cast<u8>(at.unit)},
        reason};
    has_missed_events_ = false;
    complete(kEventQueue, *chain,
             scatter(chain->writable(), 0, reinterpret_cast<const u8*>(&event), sizeof event));
}

void Scsi::add(scsi::Address at, std::unique_ptr<scsi::LogicalUnit> unit) {
    {
        const std::lock_guard held{units_lock_};
        bus_->add(at, std::move(unit));
    }
    tell(kTransportReset, at, kRescan);
}

std::unique_ptr<scsi::LogicalUnit> Scsi::remove(scsi::Address at) {
    std::unique_ptr<scsi::LogicalUnit> unit;
    {
        const std::lock_guard held{units_lock_};
        unit = bus_->remove(at);
    }
    tell(kTransportReset, at, kRemoved);
    return unit;
}

std::string Scsi::identity() const {
    std::string text;
    const std::lock_guard held{units_lock_};
    bus_->for_each([&](scsi::Address at, const scsi::LogicalUnit& unit) {
        text += (text.empty() ? "" : "; ") + std::to_string(at.target) + ":" +
                std::to_string(at.unit) + " " + unit.identity();
    });
    return text;
}

std::string Scsi::why_not_loaded() const {
    std::string why_not;
    const std::lock_guard held{units_lock_};
    bus_->for_each([&](scsi::Address, const scsi::LogicalUnit& unit) {
        why_not =
            why_not.empty() && unit.medium() != nullptr ? unit.medium()->why_not_loaded() : why_not;
    });
    return why_not;
}

void Scsi::visit_state(StateVisitor& visit) {
    u32 sense_bytes = size_at(kSenseBytes), cdb_bytes = size_at(kCdbBytes);
    visit.bounded(sense_bytes, kMostSenseBytes);
    visit.bounded(cdb_bytes, kMostCdbBytes);
    set(kSenseBytes, sense_bytes);
    set(kCdbBytes, cdb_bytes);
    visit(has_missed_events_);
    const std::lock_guard held{units_lock_};
    bus_->for_each([&](scsi::Address, scsi::LogicalUnit& unit) { unit.visit_state(visit); });
}

void Scsi::add_images(StateImages& images, const std::string& name) {
    const std::lock_guard held{units_lock_};
    bus_->for_each([&](scsi::Address at, scsi::LogicalUnit& unit) {
        if (unit.medium() != nullptr) {
            unit.medium()->add_image(images, name + " " + std::to_string(at.target) + ":" +
                                                 std::to_string(at.unit));
        }
    });
}

} // namespace ulna::devices::virtio
