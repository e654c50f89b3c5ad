#include "runtime/system/compile_server.h"

#include <sys/wait.h>

#include <spawn.h>
#include <unistd.h>

namespace ulna::system {

namespace {
constexpr char kOwnPath[] = "/proc/self/exe";
} // namespace

bool start_compile_server(int listening_socket, runtime::ServerKind kind) {
    auto option = runtime::server_option(listening_socket, kind);
    char name[] = "ulna-system";
    char* const arguments[] = {name, option.data(), nullptr};
    char* const environment[] = {nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    // To itself: it stays open in what is executed.
    ::posix_spawn_file_actions_adddup2(&actions, listening_socket, listening_socket);
    pid_t child = -1;
    const int error = ::posix_spawn(&child, kOwnPath, &actions, nullptr, arguments, environment);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return false;
    }
    int status = 0;
    const bool is_known = ::waitpid(child, &status, 0) == child; // not where SIGCHLD is ignored
    return !is_known || status == 0;
}

// The child of the machine's ends at once: nobody waits for the server.
void become_compile_server(const char* option) {
    const pid_t server = ::fork();
    if (server != 0) {
        ::_exit(server < 0 ? 1 : 0);
    }
    runtime::launch_server(option, kOwnPath);
}

} // namespace ulna::system
