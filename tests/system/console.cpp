#include "runtime/devices/console.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "runtime/devices/terminal.h"
#include "tests/system/event_loop_fixture.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

constexpr u64 kMillisecond = 1'000'000;

struct Guest : CharacterSink {
    std::size_t room() const override { return limit - std::min(limit, got.size()); }
    void receive(std::span<const u8> bytes) override {
        REQUIRE(bytes.size() <= room());
        got.append(bytes.begin(), bytes.end());
    }
    void receive_break() override { ++breaks; }
    void output_resumed() override { ++resumed; }
    std::string got;
    std::size_t limit = 1 << 20;
    int breaks = 0, resumed = 0;
};

struct Pipe {
    Pipe() { REQUIRE(pipe2(ends, O_CLOEXEC) == 0); }
    ~Pipe() {
        close_writer();
        close(ends[0]);
    }
    void put(std::string_view text) {
        REQUIRE(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    void close_writer() {
        if (ends[1] >= 0) {
            close(ends[1]);
        }
        ends[1] = -1;
    }
    std::string take() {
        std::string text(1 << 16, 0);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        const ssize_t count = read(ends[0], text.data(), text.size());
        text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return text;
    }
    int ends[2];
};

struct Machine : LoopFixture {
    // Until nothing has happened for some time.
    void run_for(u64 milliseconds = 20) { LoopFixture::run_for(milliseconds * kMillisecond); }
};

void write_text(CharacterBackend& to, std::string_view text) {
    to.write({reinterpret_cast<const u8*>(text.data()), text.size()});
}

// A guest's console on two pipes.
struct Attached : Machine {
    Attached() { console.connect(&guest); }
    Pipe in, out;
    Guest guest;
    Console console{loop, in.ends[0], out.ends[1]};
};

TEST_CASE("keys reach the guest as it has room", "[console]") {
    Attached a;
    a.guest.limit = 3;
    a.in.put("abcdef");
    a.run_for();
    CHECK(a.guest.got == "abc");
    a.guest.limit = 5;
    a.console.room_grew();
    CHECK(a.guest.got == "abcde");
    a.in.close_writer(); // the end of input is not the end of the machine
    a.guest.limit = 100;
    a.console.room_grew();
    a.run_for();
    CHECK(a.guest.got == "abcdef");
}

TEST_CASE("a guest that takes nothing stops a long input", "[console]") {
    Attached a;
    a.guest.limit = 0;
    a.in.put(std::string(50000, 'a'));
    a.run_for();
    CHECK(a.in.take().size() > 40000);
    a.in.put("b");
    a.guest.limit = 1 << 20;
    a.console.room_grew();
    a.run_for();
    CHECK(a.guest.got.size() < 10000);
    CHECK(a.guest.got.back() == 'b');
}

TEST_CASE("Ctrl-A begins commands", "[console]") {
    Attached a;
    Guest monitor;
    int quits = 0, entered = 0;
    a.console.on_quit([&] { ++quits; });
    a.in.put("a\x01\x01z\x01q\x01");
    a.run_for();
    CHECK(a.guest.got == "a\x01z");
    a.in.put("x\x01h\x01"
             "b\x01"
             "c");
    a.run_for();
    CHECK(quits == 1);
    CHECK(a.guest.breaks == 1);
    const std::string said = a.out.take();
    CHECK(said.find("Ctrl-A X") != std::string::npos);
    CHECK(said.find("no monitor") != std::string::npos);
    a.console.set_monitor(&monitor, [&] { ++entered; });
    a.in.put("\x01"
             "cinfo\r\x01"
             "Cback");
    a.run_for();
    CHECK(entered == 1);
    CHECK(monitor.got == "info\r");
    CHECK(a.guest.got == "a\x01zback");
}

TEST_CASE("Ctrl-A X works when the guest takes nothing", "[console]") {
    Attached a;
    a.guest.limit = 0;
    int quits = 0;
    a.console.on_quit([&] { ++quits; });
    a.in.put("hello\x01x");
    a.run_for();
    CHECK(quits == 1);
}

TEST_CASE("output is gathered, and waits for a slow reader", "[console]") {
    Attached a;
    write_text(a.console, "hel");
    write_text(a.console, "lo");
    CHECK(a.out.take().empty());
    a.run_for();
    CHECK(a.out.take() == "hello");
    for (int i = 0; i < 200; ++i) {
        write_text(a.console, std::string(1000, 'x'));
    }
    CHECK(a.console.congested());
    a.run_for();
    CHECK(a.console.congested()); // a pipe holds 64 KiB
    std::size_t total = 0;
    for (int i = 0; i < 50; ++i) {
        total += a.out.take().size();
        a.run_for(10);
    }
    CHECK(total == 200'000);
    CHECK_FALSE(a.console.congested());
    CHECK(a.guest.resumed == 1);
}

TEST_CASE("a reader that has gone is no error", "[console]") {
    Machine m;
    Pipe in;
    int out[2];
    REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    close(out[0]);
    {
        Console console(m.loop, in.ends[0], out[1]);
        write_text(console, "hello");
        m.run_for();
        write_text(console, "hello");
        m.run_for();
    }
    close(out[1]);
}

TEST_CASE("input that is closed, /dev/null or a file", "[console]") {
    Machine m;
    Guest guest;
    Pipe out;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    {
        Console console(m.loop, null, out.ends[1]);
        console.connect(&guest);
        m.run_for();
    }
    {
        const int file = memfd_create("input", MFD_CLOEXEC);
        REQUIRE(write(file, "hello", 5) == 5);
        lseek(file, 0, SEEK_SET);
        Console console(m.loop, file, out.ends[1]);
        console.connect(&guest);
        m.run_for();
        CHECK(guest.got == "hello");
        close(file);
    }
    close(null);
    {
        Console console(m.loop, null, out.ends[1]); // closed
        console.connect(&guest);
        m.run_for();
    }
}

TEST_CASE("what is left is written in the end", "[console]") {
    Machine m;
    Pipe in, out;
    {
        Console console(m.loop, in.ends[0], out.ends[1]);
        write_text(console, "bye");
    }
    CHECK(out.take() == "bye");
}

// In a child, whose controlling terminal it is.
TEST_CASE("a terminal is raw while the machine runs, and restored by a signal", "[console]") {
    for (const int how : {0, SIGTERM, SIGABRT}) {
        INFO(how);
        int master;
        const pid_t child = forkpty(&master, nullptr, nullptr, nullptr);
        if (child == 0) {
            signal(SIGTERM, SIG_DFL); // the test library's
            signal(SIGABRT, SIG_DFL);
            if (!enter_raw_mode(0)) {
                _exit(77);
            }
            (void)!write(1, "r", 1);
            char c;
            (void)!read(0, &c, 1);
            if (how == 0) {
                leave_raw_mode();
                _exit(0);
            }
            raise(how);
            _exit(78);
        }
        REQUIRE(child > 0);
        termios now;
        char c = 0;
        REQUIRE(read(master, &c, 1) == 1);
        REQUIRE(c == 'r');
        REQUIRE(tcgetattr(master, &now) == 0);
        CHECK((now.c_lflag & (ICANON | ECHO | ISIG)) == 0);
        CHECK(write(master, "\x03", 1) == 1);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        if (how == 0) {
            CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
        } else {
            CHECK((WIFSIGNALED(status) && WTERMSIG(status) == how));
        }
        REQUIRE(tcgetattr(master, &now) == 0);
        CHECK((now.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
        close(master);
    }
}

TEST_CASE("back ends by name", "[console]") {
    Machine m;
    std::string why_not;
    CHECK(make_character_backend("null", m.loop, why_not) != nullptr);
    CHECK(make_character_backend("nul", m.loop, why_not) == nullptr);
    CHECK(is_console("mon:stdio"));
    CHECK_FALSE(is_console("file:stdio"));
    CHECK(why_not.find("'nul'") != std::string::npos);
    CHECK(make_character_backend("file:/no/such/place", m.loop, why_not) == nullptr);
    CHECK(why_not == "cannot write /no/such/place: No such file or directory");
    char name[] = "/tmp/ulna-serial-XXXXXX";
    close(mkstemp(name));
    auto file = make_character_backend(std::string("file:") + name, m.loop, why_not);
    REQUIRE(file != nullptr);
    write_text(*file, "to a file");
    m.run_for();
    std::ostringstream text;
    text << std::ifstream(name).rdbuf();
    CHECK(text.str() == "to a file");
    unlink(name);
}

int connect_to(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::copy(path.begin(), path.end(), address.sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

std::string take_from(int fd) {
    char bytes[256];
    const ssize_t count = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return std::string(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
}

TEST_CASE("a serial line over a socket serves one client after the other", "[console]") {
    Machine m;
    Guest guest;
    guest.limit = 3;
    std::string why_not;
    char name[] = "/tmp/ulna-socket-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    const std::string path = std::string(name) + "/serial";
    auto line = make_character_backend("unix:" + path + ",server=on,wait=off", m.loop, why_not);
    REQUIRE(line != nullptr);
    line->connect(&guest);
    write_text(*line, "nobody hears this");
    const int first = connect_to(path), second = connect_to(path);
    m.run_for();
    REQUIRE(send(first, "abcd", 4, 0) == 4);
    REQUIRE(send(second, "xyz", 3, 0) == 3);
    write_text(*line, "hello");
    m.run_for();
    CHECK(take_from(first) == "hello");
    CHECK(take_from(second).empty());
    CHECK(guest.got == "abc");
    guest.limit = 100;
    line->room_grew();
    m.run_for();
    CHECK(guest.got == "abcd");
    close(first);
    m.run_for();
    CHECK(guest.got == "abcdxyz");
    write_text(*line, "bye");
    line.reset();
    CHECK(take_from(second) == "bye");
    CHECK(access(path.c_str(), F_OK) != 0);
    close(second);
    rmdir(name);
}

TEST_CASE("who is at a socket can be sent away, and another one comes", "[console]") {
    Machine m;
    struct Counting : Guest {
        void opened() override { ++here; }
        void closed() override { --here; }
        int here = 0;
    } guest;
    std::string why_not;
    char name[] = "/tmp/ulna-socket-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    const std::string path = std::string(name) + "/line";
    auto line = make_character_backend("unix:" + path + ",server=on,wait=off", m.loop, why_not);
    REQUIRE(line != nullptr);
    line->connect(&guest);
    line->disconnect(); // nobody
    for (int i = 0; i < 2; ++i) {
        const int client = connect_to(path);
        m.run_for();
        CHECK(guest.here == 1);
        write_text(*line, "bye");
        line->disconnect();
        CHECK(guest.here == 0);
        CHECK(take_from(client) == "bye");
        char byte = 0;
        CHECK(recv(client, &byte, 1, MSG_DONTWAIT) == 0);
        close(client);
    }
    const int client = connect_to(path);
    m.run_for();
    line.reset(); // tells nobody
    CHECK(guest.here == 1);
    close(client);
    rmdir(name);
}

TEST_CASE("a serial line over TCP, from both sides", "[console]") {
    Machine m;
    Guest here, there;
    std::string why_not;
    // Some port that nobody has.
    std::unique_ptr<CharacterBackend> server;
    int port = 20000 + getpid() % 20000;
    for (int tries = 0; server == nullptr && tries < 50; ++tries) {
        server = make_character_backend(
            "tcp:127.0.0.1:" + std::to_string(++port) + ",server,nowait", m.loop, why_not);
    }
    REQUIRE(server != nullptr);
    server->connect(&here);
    auto client = make_character_backend("tcp:127.0.0.1:" + std::to_string(port), m.loop, why_not);
    REQUIRE(client != nullptr);
    client->connect(&there);
    m.run_for();
    write_text(*server, "to the client");
    write_text(*client, "to the server");
    m.run_for();
    CHECK(here.got == "to the server");
    CHECK(there.got == "to the client");
    for (int i = 0; i < 20000; ++i) { // more than sockets hold, to a client that is not read
        there.limit = 0;
        client->room_grew();
        write_text(*server, std::string(1000, 'x'));
    }
    m.run_for();
    CHECK(server->congested());
    client.reset();
    m.run_for();
    CHECK_FALSE(server->congested());
    CHECK(here.resumed == 1);
}

TEST_CASE("what is wrong with a socket is said", "[console]") {
    Machine m;
    const auto reason = [&](std::string_view words) {
        std::string why_not;
        CHECK(make_character_backend(words, m.loop, why_not) == nullptr);
        return why_not;
    };
    CHECK(reason("unix:/no/such/place") ==
          "cannot connect to unix:/no/such/place: No such file or directory");
    CHECK(reason("unix:" + std::string(200, 'x') + ",server=on,wait=off").find("too long") !=
          std::string::npos);
    CHECK(reason("unix:/proc/self/exe,server=on").find("in use") != std::string::npos);
    CHECK(access("/proc/self/exe", F_OK) == 0);
    CHECK(reason("unix:").find("names no socket") != std::string::npos);
    CHECK(reason("tcp:5555").find("names no socket") != std::string::npos);
    CHECK(reason("tcp:127.0.0.1:1").find("refused") != std::string::npos);
    CHECK(reason("tcp:127.0.0.1:no-such-service").find("cannot connect") == 0);
    CHECK(reason("unix:x,server=perhaps").find("'server=perhaps'") != std::string::npos);
    CHECK(reason("unix:x,telnet=on").find("'telnet=on'") != std::string::npos);
}

} // namespace
} // namespace ulna::devices
