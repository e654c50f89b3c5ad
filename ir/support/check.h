// The only assertion macros. CHECK holds in every build; DCHECK only without NDEBUG, for hot paths.
// They are for our own mistakes: what a guest or user causes is a value, never an assertion.
#pragma once

namespace ulna {
[[noreturn]] void check_failed(const char* what, const char* file, int line);
// The host (or a limit of the user's) gives no more memory: says so and exits with status 1.
[[noreturn]] void out_of_memory(const char* what_for);
} // namespace ulna

#define CHECK(condition)                                                                           \
    (static_cast<bool>(condition) ? (void)0 : ::ulna::check_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define DCHECK(condition) ((void)sizeof(static_cast<bool>(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif

#define UNREACHABLE(why) ::ulna::check_failed("unreachable: " why, __FILE__, __LINE__)
