// Options that the command lines of `ulna` and `ulna-system` both have, and how parsing one ends.
// What else a parser keeps is its own: `Parse` is a ParseEnd with `options`, whose fields have the
// same names in both.
#pragma once

#include <optional>
#include <string>

#include "frontend/frontend.h"
#include "runtime/debug/log.h"
#include "runtime/option_values.h"
#include "runtime/tier2/policy.h"

namespace ulna::runtime {

// The first answer or error stays.
struct ParseEnd {
    const char* program; // whose errors these are
    std::optional<int> exit_status;
    std::string message;

    void fail(const std::string& why) { end(1, std::string(program) + ": " + why + "\n"); }
    void answer(const std::string& text) { end(0, text); }

  private:
    void end(int status, const std::string& text) {
        if (!exit_status) {
            exit_status = status;
            message = text;
        }
    }
};

[[nodiscard]] inline bool asks_for_help(const std::string& value) {
    return value == "help" || value == "?";
}

enum class CpuHelp : u8 { Models, ModelsWithFeatures };
[[nodiscard]] std::string cpu_help(CpuHelp help);

template <class Parse> void set_cpu(Parse& parse, const std::string& value, CpuHelp help) {
    if (asks_for_help(value)) {
        parse.answer(cpu_help(help));
        return;
    }
    std::string why_not;
    const std::optional<frontend::CpuModel> model = frontend::parse_cpu(value, why_not);
    if (!model) {
        parse.fail("-cpu " + why_not + "; -cpu help lists them");
        return;
    }
    parse.options.cpu_model = *model;
    parse.options.cpu = value;
}

template <class Parse> void set_log(Parse& parse, const std::string& value) {
    if (asks_for_help(value)) {
        parse.answer(debug::log_item_help());
        return;
    }
    std::string bad;
    const std::optional<u32> items = debug::parse_log_items(value, bad);
    if (!items) {
        parse.fail("-d " + bad + ": no such log item; -d help lists them");
        return;
    }
    parse.options.log_items |= *items;
}

template <class Parse> void set_log_filter(Parse& parse, const std::string& value) {
    if (!debug::parse_address_ranges(value)) {
        parse.fail("-dfilter " + value + ": ranges are a..b, a+len or a-len");
    }
    parse.options.log_filter = value;
}

template <class Parse> void set_engine(Parse& parse, const std::string& value) {
    if (value != "jit" && value != "interp") {
        parse.fail("--engine=" + value + ": jit or interp");
    }
    parse.options.interpreter_engine = value == "interp";
}

template <class Parse> void set_tier0(Parse& parse, const std::string& value) {
    if (value != "on" && value != "off") {
        parse.fail("--tier0=" + value + ": on or off");
    }
    parse.options.tier0 = value == "on";
}

template <class Parse> void set_tier2(Parse& parse, const std::string& value) {
    const std::optional<TierTwo> tier2 = tier_two_named(value);
    if (!tier2) {
        parse.fail("--tier2=" + value + ": off, server, sync or twice");
    }
    parse.options.tier2 = tier2.value_or(parse.options.tier2);
}

template <class Parse> void set_no_cache(Parse& parse, const std::string&) {
    parse.options.persistent_cache = false;
}

// Whoever asks may go elsewhere before it is used.
[[nodiscard]] std::string absolute_path(const std::string& path);

template <class Parse> void set_cache_directory(Parse& parse, const std::string& value) {
    parse.options.cache_directory = absolute_path(value);
}

template <class Parse> void set_seed(Parse& parse, const std::string& value) {
    parse.options.seed = parse_number(value);
    if (!parse.options.seed) {
        parse.fail("-seed " + value + ": a number");
    }
}

} // namespace ulna::runtime
