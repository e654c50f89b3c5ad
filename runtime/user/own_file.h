// Our own executable file, for executing it again.
//
// It is reached by its link in /proc. A descriptor is only kept when that may go out of reach
// (chroot, umount): guests count, close and inherit descriptors, and should not find one of ours
// among them.
#pragma once

struct stat;

namespace ulna::user {

inline constexpr char kHandoverPrefix[] = "--ulna-exec=";

// Once, early. `handed_over`: the descriptor that the program before us has kept, or -1.
void init_own_file(int handed_over);
// Before the guest changes what names mean.
void keep_own_file();

// Above what guests count up to, for descriptors of ours that stay.
[[nodiscard]] int high_descriptor();

// The kept descriptor; -1 when there is none, or the guest has closed it.
[[nodiscard]] int own_file_descriptor();
[[nodiscard]] bool own_path_is_visible();
[[nodiscard]] const char* own_path();
// Of any file: is it ours?
[[nodiscard]] bool is_own_file(const struct stat& status);

} // namespace ulna::user
