// The compile server's program. `ulna` has it inside, and starts it with a listening socket as
// standard input (runtime/tier2/launch.h).
#include <algorithm>
#include <cstdio>
#include <string_view>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include "runtime/tier2/launch.h"
#include "tools/tier2/server.h"

namespace {
constexpr unsigned kIdleSeconds = 15;
constexpr int kListeningSocket = 3;
} // namespace

int main(int argc, char** argv) {
    int listens = 0;
    socklen_t bytes = sizeof listens;
    if (::getsockopt(kListeningSocket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) != 0 ||
        listens == 0) {
        std::fputs("ulna-tier2: started by ulna only\n", stderr);
        return 1;
    }
    const std::string_view option = argc > 1 ? argv[1] : "";
    // Beside the programs one processor is enough; those who wait may have all of them.
    const unsigned workers = option.empty() ? 1 : std::max(1u, std::thread::hardware_concurrency());
    ulna::tier2_server::Server server(kListeningSocket, option == ulna::runtime::kTwiceOption);
    server.run(kIdleSeconds, workers);
    return 0;
}
