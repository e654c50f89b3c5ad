#include "runtime/debug/gdb_protocol.h"

#include <cstring>
#include <map>

#include "runtime/debug/gdb_packet.h"
#include "runtime/debug/gdb_signals.h"
#include "runtime/debug/gdb_xml.h"
#include "tests/support/catch.h"

namespace ulna::runtime::debug {
namespace {

using Event = GdbPacketReader::Event;

std::vector<Event> events_of(GdbPacketReader& reader, std::string_view bytes) {
    std::vector<Event> events;
    for (const char c : bytes) {
        if (const Event event = reader.take(static_cast<u8>(c)); event != Event::None) {
            events.push_back(event);
        }
    }
    return events;
}

TEST_CASE("packets are framed, escaped and checked", "[gdb]") {
    GdbPacketReader reader;
    CHECK(gdb_packet("OK") == "$OK#9a");
    for (const std::string_view data : {"", "qC", "$#}*\x03"}) {
        CHECK(events_of(reader, gdb_packet(data)) == std::vector{Event::Packet});
        CHECK(reader.packet() == data);
    }
    CHECK(events_of(reader, "$OK#9b") == std::vector{Event::Damaged});
    CHECK(events_of(reader, "$OK#zz") == std::vector{Event::Damaged});
    CHECK(events_of(reader, "+-\x03junk") ==
          std::vector{Event::Acknowledged, Event::Refused, Event::Interrupt});
    const std::string longest(2 * GdbPacketReader::kMostBytes, 'a');
    CHECK(events_of(reader, gdb_packet(longest)) == std::vector{Event::Damaged});
    CHECK(events_of(reader, gdb_packet("g")) == std::vector{Event::Packet});
}

TEST_CASE("numbers and bytes are hexadecimal digits", "[gdb]") {
    std::string_view text = "1fg";
    CHECK(take_hex(text) == 0x1f);
    CHECK(text == "g");
    CHECK_FALSE(take_hex(text));
    CHECK(hex_number(0) == "0");
    CHECK(hex_number(0xabc) == "abc");
    CHECK(from_hex("4F4b") == "OK");
    CHECK_FALSE(from_hex("4"));
    CHECK_FALSE(from_hex("4x"));
}

// Two threads, three registers, 16 bytes of memory at 0x100.
class Toy final : public GdbTarget {
  public:
    std::vector<GdbFeature> all{
        {.name = "a<b", .registers = {{.name = "x0"}, {.name = "cpsr", .bits = 32}}},
        {.name = "more", .registers = {{.name = "y", .group = "system"}}, .in_all = false}};
    std::map<std::pair<u64, unsigned>, u64> registers;
    u8 memory[16] = {};
    std::vector<GdbResumption> resumed;
    std::vector<std::string> points;
    bool detached = false;
    std::vector<int> passed;

    std::span<const GdbFeature> features() const override { return all; }
    std::vector<GdbThread> threads() override { return {{1, "one"}, {0x1f, "two"}}; }
    bool read_register(u64 thread, unsigned n, std::span<u8> to) override {
        std::memcpy(to.data(), &registers[{thread, n}], to.size());
        return n != 2 || thread == 1;
    }
    bool write_register(u64 thread, unsigned n, std::span<const u8> from) override {
        std::memcpy(&registers[{thread, n}], from.data(), from.size());
        return true;
    }
    u64 read_memory(u64, GuestAddr at, std::span<u8> to) override {
        u64 done = 0;
        for (; done < to.size() && at + done - 0x100 < sizeof memory; ++done) {
            to[done] = memory[at + done - 0x100];
        }
        return done;
    }
    bool write_memory(u64, GuestAddr at, std::span<const u8> from) override {
        const bool fits = at >= 0x100 && at + from.size() <= 0x100 + sizeof memory;
        return fits && std::memcpy(&memory[at - 0x100], from.data(), from.size()) != nullptr;
    }
    bool insert(GdbPoint kind, GuestAddr at, u64 bytes) override {
        points.push_back(std::to_string(static_cast<int>(kind)) + "@" + hex_number(at) + "+" +
                         hex_number(bytes));
        return at != 0;
    }
    bool remove(GdbPoint, GuestAddr, u64) override { return !points.empty(); }
    void resume(std::span<const GdbResumption> threads) override {
        resumed = {threads.begin(), threads.end()};
    }
    void interrupt() override {}
    int stop_fd() const override { return -1; }
    std::optional<GdbStop> take_stop() override { return std::nullopt; }
    void attach() override {}
    void detach() override { detached = true; }
    void kill() override {}
    bool is_attached() const override { return false; }
    std::vector<std::string_view> documents() const override { return {"auxv", "none"}; }
    std::optional<std::string> document(std::string_view name, u64 thread) override {
        return name == "auxv" ? std::optional{"of " + std::to_string(thread)} : std::nullopt;
    }
    bool pass_signals(std::span<const int> signals) override {
        passed = {signals.begin(), signals.end()};
        return true;
    }
    std::optional<std::string> command(std::string_view line) override {
        return line == "none" ? std::nullopt : std::optional{"<" + std::string{line} + ">"};
    }
};

struct Talk {
    Toy toy;
    GdbSession session{toy};
    GdbSession::Next next = GdbSession::Next::Answer;
    std::string ask(std::string_view packet) {
        std::string answer;
        next = session.handle(packet, answer);
        return answer;
    }
};

TEST_CASE("registers are read and written by thread", "[gdb]") {
    Talk talk;
    CHECK(talk.ask("P0=0102030405060708") == "OK");
    CHECK(talk.ask("P1=aabbccdd") == "OK");
    CHECK(talk.ask("g") == "0102030405060708aabbccdd");
    CHECK(talk.ask("Hg1f") == "OK");
    CHECK(talk.ask("qC") == "QC1f");
    CHECK(talk.ask("p1") == "00000000");
    CHECK(talk.ask("p2") == "E02"); // that thread has none
    CHECK(talk.ask("G" + std::string(24, '7')) == "OK");
    CHECK(talk.ask("p0") == "7777777777777777");
    for (const auto* packet : {"G77", "p3", "p", "P0=77", "P9=00", "P", "G7", "Gzz"}) {
        CHECK(talk.ask(packet).front() == 'E');
    }
    for (const auto* packet : {"Hg2", "Hx1", "H", "Hgz"}) {
        CHECK(talk.ask(packet) == "E01");
    }
}

TEST_CASE("memory is read as far as it goes", "[gdb]") {
    Talk talk;
    CHECK(talk.ask("M100,2:0a0b") == "OK");
    CHECK(talk.ask("X102,2:}$") == "OK");
    CHECK(talk.ask("m100,4") == "0a0b7d24");
    CHECK(talk.ask("m10e,8") == "0000");
    CHECK(talk.ask("m110,1") == "E14");
    CHECK(talk.ask("M110,1:00") == "E14");
    for (const auto* packet : {"m", "m1", "mz,1", "M100,2:00", "M100,1:0", "M100", "X100,2:a"}) {
        CHECK(talk.ask(packet) == "E01");
    }
}

TEST_CASE("each thread does the first action that is for it", "[gdb]") {
    Talk talk;
    const auto orders = [&] {
        return std::pair{talk.toy.resumed[0].order, talk.toy.resumed[1].order};
    };
    using enum GdbOrder;
    talk.ask("vCont;s:1f;c");
    CHECK(talk.next == GdbSession::Next::Run);
    CHECK(orders() == std::pair{Run, Step});
    talk.ask("vCont;C0b:1");
    CHECK(orders() == std::pair{Run, Stay});
    CHECK(talk.toy.resumed[0].signal == 11);
    talk.ask("vCont;c:-1");
    CHECK(orders() == std::pair{Run, Run});
    talk.ask("s");
    CHECK(orders() == std::pair{Step, Stay});
    talk.ask("C05");
    CHECK(orders() == std::pair{Run, Run});
    CHECK(talk.toy.resumed[0].signal == 5);
    CHECK(talk.ask("Hc1f") == "OK");
    talk.ask("c");
    CHECK(orders() == std::pair{Stay, Run});
    for (const auto* packet : {"vCont;", "vCont;x", "vCont;C:1", "vCont;c:", "vCont;c1"}) {
        CHECK(talk.ask(packet) == "E01");
        CHECK(talk.next == GdbSession::Next::Answer);
    }
}

TEST_CASE("stops say why", "[gdb]") {
    using Kind = GdbStop::Kind;
    Talk talk;
    CHECK(talk.ask("?") == "T05thread:1;"); // gdb warns when no thread is said
    CHECK(talk.session.describe({.kind = Kind::Breakpoint, .thread = 0x1f}) == "T05thread:1f;");
    CHECK(talk.ask("?") == "T05thread:1f;");
    CHECK(talk.ask("qC") == "QC1f");
    CHECK(talk.ask("qSupported:swbreak+;hwbreak+").find("PacketSize=") == 0);
    CHECK(talk.session.describe({.kind = Kind::Breakpoint, .thread = 1}) ==
          "T05thread:1;swbreak:;");
    const auto watch = [&](bool reads, bool writes) {
        return talk.session.describe({.kind = Kind::Watchpoint,
                                      .thread = 1,
                                      .address = 0x40,
                                      .reads = reads,
                                      .writes = writes});
    };
    CHECK(watch(false, true) == "T05thread:1;watch:40;");
    CHECK(watch(true, false) == "T05thread:1;rwatch:40;");
    CHECK(watch(true, true) == "T05thread:1;awatch:40;");
    CHECK(talk.session.describe({.kind = Kind::Exited, .signal = 3}) == "W03");
}

TEST_CASE("documents come in pieces", "[gdb]") {
    Talk talk;
    const std::string xml = target_xml(talk.toy.all);
    CHECK(xml.find("a&lt;b") != std::string::npos);
    CHECK(xml.find("<reg name=\"y\" bitsize=\"64\" type=\"int\" regnum=\"2\" group=\"system\"/>") !=
          std::string::npos);
    CHECK(talk.ask("qXfer:features:read:target.xml:0,10") == "m" + xml.substr(0, 16));
    CHECK(talk.ask("qXfer:features:read:target.xml:10,1000") == "l" + xml.substr(16));
    CHECK(talk.ask("qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff") == "l");
    CHECK(talk.ask("qXfer:features:read:x.xml:0,10") == "E00");
    CHECK(talk.ask("qXfer:features:read:target.xml:0") == "E01");
    CHECK(talk.ask("qXfer:memory-map:read::0,10").empty());
    CHECK(talk.ask("qXfer:threads:read::0,1000").find("id=\"1f\"") != std::string::npos);
}

TEST_CASE("targets have documents of their own", "[gdb]") {
    Talk talk;
    const std::string support = talk.ask("qSupported:");
    CHECK(support.find(";qXfer:auxv:read+;qXfer:none:read+;QPassSignals+") != std::string::npos);
    CHECK(talk.ask("qXfer:auxv:read::0,100") == "lof 1");
    CHECK(talk.ask("qXfer:auxv:read:1f:0,2") == "mof");
    CHECK(talk.ask("qXfer:none:read::0,100") == "E00");
    CHECK(talk.ask("qXfer:auxv:read::") == "E01");
    CHECK(talk.ask("qXfer:auxv:read").find_first_not_of("E0") == std::string::npos);
    CHECK(talk.ask("qXfer:auxiliary:read::0,1").empty());
    CHECK(talk.ask("qAttached") == "0");
    CHECK(talk.ask("QPassSignals:e;1e") == "OK");
    CHECK(talk.toy.passed == std::vector{14, 30});
    CHECK(talk.ask("QPassSignals:") == "OK");
    CHECK(talk.toy.passed.empty());
    CHECK(talk.ask("QPassSignals:x") == "E01");
}

TEST_CASE("signals have numbers of gdb's own", "[gdb]") {
    CHECK((gdb_signal(7) == 10 && gdb_signal(11) == 11 && gdb_signal(10) == 30));
    CHECK((gdb_signal(32) == 77 && gdb_signal(33) == 45 && gdb_signal(63) == 75));
    CHECK(gdb_signal(16) == kUnknownGdbSignal); // SIGSTKFLT
    for (int signal = 1; signal <= 64; ++signal) {
        CHECK((signal == 16 || linux_signal(gdb_signal(signal)) == signal));
    }
    CHECK((linux_signal(0) == 0 && linux_signal(7) == 0 && linux_signal(143) == 0));
}

TEST_CASE("the other packets", "[gdb]") {
    Talk talk;
    CHECK(talk.ask("qfThreadInfo") == "m1,1f");
    CHECK(talk.ask("qsThreadInfo") == "l");
    CHECK(talk.ask("T1f") == "OK");
    CHECK(talk.ask("T2") == "E01");
    CHECK(from_hex(talk.ask("qThreadExtraInfo,1f")) == "two");
    CHECK(from_hex(talk.ask("qRcmd,6869")) == "<hi>");
    CHECK(talk.ask("qRcmd," + to_hex("none")).empty());
    CHECK(talk.ask("Z2,40,8") == "OK");
    CHECK(talk.toy.points == std::vector<std::string>{"2@40+8"});
    CHECK(talk.ask("Z0,0,4") == "E01");
    CHECK(talk.ask("Z5,40,4").empty());
    CHECK(talk.ask("Z0,40") == "E01");
    CHECK(talk.ask("z2,40,8") == "OK");
    CHECK(talk.ask("qCRC:0,10").empty());
    CHECK(talk.ask("").empty());
    CHECK(talk.session.acknowledges());
    CHECK(talk.ask("QStartNoAckMode") == "OK");
    CHECK_FALSE(talk.session.acknowledges());
    CHECK(talk.ask("D") == "OK");
    CHECK((talk.toy.detached && talk.next == GdbSession::Next::Leave));
    CHECK(talk.ask("vKill;1") == "OK");
    CHECK(talk.next == GdbSession::Next::Kill);
}

} // namespace
} // namespace ulna::runtime::debug
