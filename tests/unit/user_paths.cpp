#include <cstdlib>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/user/guest_thread.h"
#include "runtime/user/paths.h"
#include "tests/support/catch.h"

using namespace ulna::user;

namespace {

class Sysroot {
  public:
    Sysroot() {
        char name[] = "/var/tmp/ulna-sysroot-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        root = name;
        process().options.sysroot = root;
        process().exe_path = "/the/guest/program";
        ::mkdir((root + "/ulna-a").c_str(), 0755);
        std::ofstream(root + "/ulna-a/file") << "x";
        (void)!::symlink("/ulna-a/file", (root + "/ulna-absolute").c_str());
        (void)!::symlink("ulna-a", (root + "/ulna-relative").c_str());
        (void)!::symlink("/nowhere", (root + "/ulna-dangling").c_str());
    }
    ~Sysroot() {
        process().options = {};
        process().exe_path.clear();
        for (const char* file :
             {"/ulna-a/file", "/ulna-absolute", "/ulna-relative", "/ulna-dangling"}) {
            ::unlink((root + file).c_str());
        }
        ::rmdir((root + "/ulna-a").c_str());
        ::rmdir(root.c_str());
    }
    std::string root;
};

} // namespace

TEST_CASE("names in the sysroot win, absolute links stay inside it", "[user][paths]") {
    const Sysroot sysroot;
    const std::string& root = sysroot.root;
    CHECK(host_path("/ulna-a/file", FollowLinks::Yes) == root + "/ulna-a/file");
    CHECK(host_path("/ulna-absolute", FollowLinks::Yes) == root + "/ulna-a/file");
    CHECK(host_path("/ulna-absolute", FollowLinks::No) == root + "/ulna-absolute");
    CHECK(host_path("/ulna-relative/file", FollowLinks::Yes) == root + "/ulna-a/file");
    CHECK(host_path("/ulna-relative/../ulna-a/file", FollowLinks::Yes) == root + "/ulna-a/file");
    CHECK(host_path("/ulna-dangling", FollowLinks::Yes) == "/ulna-dangling");
    CHECK(host_path("/no/such/name", FollowLinks::Yes) == "/no/such/name");
}

TEST_CASE("what a directory of the sysroot alone lacks would be made there", "[user][paths]") {
    const Sysroot sysroot;
    const std::string& root = sysroot.root;
    CHECK(host_path("/ulna-a/new", FollowLinks::Yes) == root + "/ulna-a/new");
    CHECK(host_path("/ulna-relative/new/", FollowLinks::Yes) == root + "/ulna-a/new/");
    CHECK(host_path("/ulna-a/new/deeper", FollowLinks::Yes) == "/ulna-a/new/deeper");
    CHECK(host_path("/etc/ulna-new", FollowLinks::Yes) == "/etc/ulna-new");
    CHECK(host_path("/ulna-new", FollowLinks::Yes) == "/ulna-new");
}

TEST_CASE("relative names, host directories and the sysroot itself are left alone",
          "[user][paths]") {
    const Sysroot sysroot;
    for (const std::string& name :
         {std::string("ulna-a/file"), std::string(), std::string("/"), std::string("/tmp"),
          std::string("/proc/cpuinfo"), sysroot.root + "/ulna-a/file"}) {
        CHECK(host_path(name, FollowLinks::Yes) == name);
    }
}

TEST_CASE("/proc/self/exe is the guest's program", "[user][paths]") {
    const Sysroot sysroot;
    CHECK(host_path("/proc/self/exe", FollowLinks::Yes) == "/the/guest/program");
    CHECK(host_path("/proc/self/exe", FollowLinks::No) == "/proc/self/exe");
    CHECK(host_path("/proc/" + std::to_string(::getpid()) + "/exe", FollowLinks::Yes) ==
          "/the/guest/program");
    CHECK(host_path("/proc/1/exe", FollowLinks::Yes) == "/proc/1/exe");
}
