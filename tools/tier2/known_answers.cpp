#include "tools/tier2/known_answers.h"

#include "runtime/persist/checksum.h"

namespace ulna::tier2_server {

KnownAnswers::Key KnownAnswers::key_of(std::span<const u8> request) {
    return {runtime::checksum(request, 1), runtime::checksum(request, 2)};
}

const std::vector<u8>* KnownAnswers::find(Key request) const {
    const auto found = answers_.find(request);
    return found != answers_.end() ? &found->second : nullptr;
}

void KnownAnswers::add(Key request, runtime::CompileAnswer answer) {
    answer.nanoseconds = 0;
    std::vector<u8> bytes = encode(answer);
    if (bytes_ + bytes.size() > kMostBytes) {
        answers_.clear(); // what is still asked for comes back
        bytes_ = 0;
    }
    bytes_ += bytes.size();
    answers_.insert_or_assign(request, std::move(bytes));
}

} // namespace ulna::tier2_server
