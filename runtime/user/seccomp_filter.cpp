#include "runtime/user/seccomp_filter.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <ranges>

namespace ulna::user {

namespace {

// SECCOMP_RET_*: the lower, as a signed number, the stricter.
i32 rank(u32 action) { return static_cast<i32>(action & SECCOMP_RET_ACTION_FULL); }

// --- as text: each instruction in hexadecimal digits, each filter with an end

constexpr std::size_t kDigits = 16;
// By the flags of a filter that are kept.
constexpr std::string_view kEnds = ".!,;";
constexpr u32 kFlagsOfEnd[] = {0, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_LOG,
                               SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG};
constexpr u32 kKeptFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG;

char end_of(u32 flags) {
    return kEnds[static_cast<std::size_t>(std::ranges::find(kFlagsOfEnd, flags) - kFlagsOfEnd)];
}

void append(std::string& text, const sock_filter& insn) {
    constexpr char kHex[] = "0123456789abcdef";
    const u64 bits = std::bit_cast<u64>(insn);
    for (unsigned shift = 64; shift != 0; shift -= 4) {
        text += kHex[bits >> (shift - 4) & 0xf];
    }
}

// Empty: it is none.
std::vector<sock_filter> parse_program(std::string_view text) {
    std::vector<sock_filter> program;
    for (; text.size() >= kDigits; text.remove_prefix(kDigits)) {
        u64 bits;
        const char* const end = text.data() + kDigits;
        const auto parsed = std::from_chars(text.data(), end, bits, 16);
        if (parsed.ec != std::errc{} || parsed.ptr != end) {
            return {};
        }
        program.push_back(std::bit_cast<sock_filter>(bits));
    }
    return text.empty() && is_seccomp_program(program) ? program : std::vector<sock_filter>{};
}

} // namespace

SeccompFilter::SeccompFilter(std::vector<sock_filter> program,
                             std::shared_ptr<SeccompFilter> older,
                             u32 flags)
    : program_(std::move(program)),
      older_(std::move(older)),
      flags_(flags & kKeptFlags),
      path_length_(program_.size()) {
    constexpr std::size_t kPenalty = 4;
    if (older_ != nullptr) {
        count_ += older_->count_;
        path_length_ += older_->path_length_ + kPenalty;
    }
}

// Not by recursion, since a chain may be thousands of filters long.
SeccompFilter::~SeccompFilter() {
    while (older_ != nullptr && older_.use_count() == 1) {
        std::shared_ptr<SeccompFilter> next = std::move(older_->older_);
        older_ = std::move(next);
    }
}

SeccompFilter::Verdict SeccompFilter::judge(const seccomp_data& data) const {
    Verdict strictest = {SECCOMP_RET_ALLOW, nullptr};
    const auto number = static_cast<u32>(data.nr);
    if (is_always_allowed(number)) {
        return strictest;
    }
    bool is_by_number = true;
    for (const SeccompFilter* filter = this; filter != nullptr; filter = filter->older_.get()) {
        const BpfResult result = run_seccomp_program(filter->program_, data);
        is_by_number &= result.is_by_number;
        if (rank(result.action) < rank(strictest.action)) {
            strictest = {result.action, filter};
        }
    }
    if (is_by_number && strictest.filter == nullptr) {
        remember_allowed(number);
    }
    return strictest;
}

bool SeccompFilter::path_has_listener() const {
    const SeccompFilter* filter = this;
    while (filter != nullptr && !filter->has_listener()) {
        filter = filter->older_.get();
    }
    return filter != nullptr;
}

const SeccompFilter* SeccompFilter::nth_from_oldest(u64 n) const {
    const SeccompFilter* filter = n < count_ ? this : nullptr;
    while (filter != nullptr && filter->count_ > n + 1) {
        filter = filter->older_.get();
    }
    return filter;
}

bool SeccompFilter::is_always_allowed(u32 number) const {
    return number < kCached &&
           (always_allowed_[number / 64].load(std::memory_order_relaxed) >> number % 64 & 1) != 0;
}

void SeccompFilter::remember_allowed(u32 number) const {
    if (number < kCached) {
        always_allowed_[number / 64].fetch_or(u64{1} << number % 64, std::memory_order_relaxed);
    }
}

bool SeccompFilter::is_ancestor_of(const SeccompFilter* other) const {
    while (other != nullptr && other != this) {
        other = other->older_.get();
    }
    return other == this;
}

std::vector<std::string> SeccompFilter::to_arguments() const {
    constexpr std::size_t kMostBytes = 100'000; // below MAX_ARG_STRLEN
    std::vector<const SeccompFilter*> newest_first;
    for (const SeccompFilter* filter = this; filter != nullptr; filter = filter->older_.get()) {
        newest_first.push_back(filter);
    }
    std::string text;
    for (const SeccompFilter* filter : newest_first | std::views::reverse) {
        for (const sock_filter& insn : filter->program_) {
            append(text, insn);
        }
        text += end_of(filter->flags_);
    }
    std::vector<std::string> arguments;
    for (std::size_t at = 0; at < text.size(); at += kMostBytes) {
        arguments.push_back(text.substr(at, kMostBytes));
    }
    return arguments;
}

std::shared_ptr<SeccompFilter>
SeccompFilter::from_arguments(std::span<const char* const> arguments) {
    std::string text;
    for (const char* argument : arguments) {
        text += argument;
    }
    std::shared_ptr<SeccompFilter> newest;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t length = std::min(rest.find_first_of(kEnds), rest.size() - 1);
        const std::size_t end = kEnds.find(rest[length]);
        std::vector<sock_filter> program = parse_program(rest.substr(0, length));
        if (end == kEnds.npos || program.empty()) {
            return nullptr;
        }
        newest = std::make_shared<SeccompFilter>(std::move(program), std::move(newest),
                                                 kFlagsOfEnd[end]);
        rest.remove_prefix(length + 1);
    }
    return newest;
}

} // namespace ulna::user
