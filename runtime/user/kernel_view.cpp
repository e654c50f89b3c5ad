// See kernel_view.h. The auxiliary vector is at first the host's: debuggers of Ulna need it.
#include "runtime/user/kernel_view.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "runtime/user/guest_thread.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

// Numbers of /proc/self/stat by their place in proc(5).
class OwnStat {
  public:
    OwnStat() {
        const int fd = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        const ssize_t got = fd < 0 ? -1 : ::read(fd, text_, sizeof text_);
        if (fd >= 0) {
            ::close(fd);
        }
        fields_ = std::string_view(text_, got < 0 ? 0 : static_cast<std::size_t>(got));
        const std::size_t after_name = fields_.rfind(") "); // field 3 follows
        fields_ = after_name == fields_.npos ? std::string_view{} : fields_.substr(after_name + 2);
    }
    // 0: it cannot be read.
    [[nodiscard]] u64 number(unsigned field) const {
        std::string_view rest = fields_;
        for (unsigned at = 3; at < field && !rest.empty(); ++at) {
            const std::size_t space = rest.find(' ');
            rest = space == rest.npos ? std::string_view{} : rest.substr(space + 1);
        }
        u64 value = 0;
        std::from_chars(rest.data(), rest.data() + rest.size(), value);
        return value;
    }

  private:
    char text_[1024];
    std::string_view fields_;
};

// As it is now, with the guest's arguments; start_brk is 0 when that is not known.
prctl_mm_map guest_map() {
    const Process& self = process();
    const OwnStat stat;
    prctl_mm_map map = {};
    map.start_code = stat.number(26);
    map.end_code = stat.number(27);
    map.start_data = stat.number(45);
    map.end_data = stat.number(46);
    map.start_brk = stat.number(47);
    map.brk = static_cast<u64>(host_syscall(SYS_brk, 0));
    map.start_stack = self.stack_start;
    map.arg_start = self.arg_start;
    map.arg_end = self.arg_end;
    map.env_start = self.env_start;
    map.env_end = self.env_end;
    map.exe_fd = static_cast<u32>(-1); // as it is
    return map;
}

void set_map(const prctl_mm_map& map) {
    if (map.start_brk != 0) {
        host_syscall(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, reinterpret_cast<u64>(&map), sizeof map);
    }
}

} // namespace

void show_guest_arguments() { set_map(guest_map()); }

void show_guest_auxv() {
    Process& self = process();
    prctl_mm_map map = guest_map();
    map.auxv = reinterpret_cast<__u64*>(self.auxv.data());
    map.auxv_size = static_cast<u32>(self.auxv.size());
    set_map(map);
}

} // namespace ulna::user
