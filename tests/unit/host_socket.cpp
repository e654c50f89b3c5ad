#include "runtime/host_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/catch.h"

using namespace ulna::runtime;

namespace {

struct Folder {
    Folder() { REQUIRE(mkdtemp(name) != nullptr); }
    ~Folder() {
        unlink(path("socket").c_str());
        unlink(path("file").c_str());
        rmdir(name);
    }
    [[nodiscard]] std::string path(const char* file) const {
        return std::string(name) + "/" + file;
    }
    char name[32] = "/tmp/ulna-socket-XXXXXX";
};

} // namespace

TEST_CASE("sockets by path: an old one goes, other files stay", "[runtime]") {
    const Folder folder;
    std::string why_not;
    CHECK_FALSE(connect_unix(folder.path("socket"), why_not));
    CHECK(why_not == "No such file or directory");
    (void)listen_unix(folder.path("socket"), 1, why_not); // closed at once
    CHECK_FALSE(connect_unix(folder.path("socket"), why_not));
    CHECK(why_not == "Connection refused");
    const FileDescriptor listener = listen_unix(folder.path("socket"), 1, why_not);
    REQUIRE(listener);
    const FileDescriptor client = connect_unix(folder.path("socket"), why_not);
    CHECK(client);
    CHECK(FileDescriptor(accept(listener.get(), nullptr, nullptr)));
    std::ofstream(folder.path("file")) << "kept";
    CHECK_FALSE(listen_unix(folder.path("file"), 1, why_not));
    CHECK(why_not == "Address already in use");
    CHECK(access(folder.path("file").c_str(), F_OK) == 0);
    CHECK_FALSE(listen_unix("", 1, why_not));
    CHECK_FALSE(connect_unix(std::string(200, 'x'), why_not));
    CHECK(why_not == "File name too long");
}

TEST_CASE("sockets by name and port", "[runtime]") {
    std::string why_not;
    CHECK_FALSE(connect_tcp("127.0.0.1", "1", why_not));
    CHECK(why_not == "Connection refused");
    CHECK_FALSE(listen_tcp("127.0.0.1", "no-such-service", 1, why_not));
    CHECK(why_not != "Connection refused");          // the library says it in its own words
    CHECK(listen_tcp("127.0.0.1", "0", 1, why_not)); // any port
    FileDescriptor one = listen_tcp("", "0", 1, why_not);
    const int number = one.get();
    CHECK(one.release() == number);
    CHECK_FALSE(one);
    CHECK(close(number) == 0);
}
