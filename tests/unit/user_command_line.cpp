#include <cstring>

#include "runtime/debug/log.h"
#include "runtime/user/command_line.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

namespace {

CommandLine parse(std::vector<const char*> args,
                  std::vector<const char*> environment = {},
                  Variables variables = Variables::Apply) {
    args.insert(args.begin(), "ulna");
    args.push_back(nullptr);
    environment.push_back(nullptr);
    return parse_command_line(static_cast<int>(args.size()) - 1, const_cast<char**>(args.data()),
                              const_cast<char**>(environment.data()), variables);
}

} // namespace

TEST_CASE("options end at the program", "[user][options]") {
    const CommandLine line = parse({"-L", "/root", "-strace", "prog", "-L", "x"});
    CHECK(!line.exit_status);
    CHECK(line.options.sysroot == "/root");
    CHECK(line.options.strace);
    CHECK(line.options.program == "prog");
    CHECK(line.options.args == std::vector<std::string>{"prog", "-L", "x"});
    CHECK(parse({"--", "-prog"}).options.program == "-prog");
    CHECK(parse({"--engine=interp", "--stats", "p"}).options.interpreter_engine);
}

TEST_CASE("programs see a CPU part, be it asked for or not", "[user][options]") {
    CHECK(parse({"p"}).options.cpu_model.midr_el1 == 0x414fd0c1); // Neoverse N1
    CHECK(parse({"-cpu", "max,fp16=off", "p"}).options.cpu_model.midr_el1 == 0x414fd0c1);
    CHECK(parse({"-cpu", "cortex-a72", "p"}).options.cpu_model.midr_el1 == 0x410fd083);
}

TEST_CASE("the guest's environment is edited as asked", "[user][options]") {
    const CommandLine line =
        parse({"-E", "A=1,B=2", "-U", "C", "-E", "D=x=y", "p"}, {"A=0", "C=3", "Z=9"});
    CHECK(line.options.env == std::vector<std::string>{"Z=9", "A=1", "B=2", "D=x=y"});
    CHECK(parse({"-E", "A", "p"}).exit_status == 1);
}

TEST_CASE("variables set options, ours win, options win over both", "[user][options]") {
    const std::vector<const char*> environment = {"ULNA_LD_PREFIX=/ours", "QEMU_LD_PREFIX=/theirs",
                                                  "QEMU_UNAME=9.9", "QEMU_STRACE=1"};
    const CommandLine line = parse({"p"}, environment);
    CHECK(line.options.sysroot == "/ours");
    CHECK(line.options.uname_release == "9.9");
    CHECK(line.options.strace);
    CHECK(parse({"-L", "/o", "p"}, environment).options.sysroot == "/o");
    CHECK(parse({"p"}, environment, Variables::Ignore).options.sysroot.empty());
    CHECK(parse({"p"}, environment).options.env.size() == environment.size());
}

TEST_CASE("argv[0], stack, log items", "[user][options]") {
    const CommandLine line = parse({"-0", "name", "-s", "16M", "-d", "in_asm,strace", "p", "a"});
    CHECK(line.options.args == std::vector<std::string>{"name", "a"});
    CHECK(line.options.program == "p");
    CHECK(line.options.stack_bytes == 16u << 20);
    CHECK(line.options.log_items != 0);
    CHECK(line.options.strace);
    CHECK(line.options.code_cache_mib == 0);
    CHECK(parse({"-tb-size", "32", "p"}).options.code_cache_mib == 32);
    CHECK(parse({"-tb-size", "1025", "p"}).exit_status == 1);
    CHECK(parse({"-tb-size", "1M", "p"}).exit_status == 1);
    CHECK(parse({"-s", "12k3", "p"}).exit_status == 1);
    CHECK(parse({"-s", "1", "p"}).exit_status == 1);
    CHECK(parse({"-s", "17179869185g", "p"}).exit_status == 1); // 2^64 bytes and a GiB
}

TEST_CASE("mistakes get one clear line", "[user][options]") {
    for (const auto& args : std::vector<std::vector<const char*>>{{"-nonsense", "p"},
                                                                  {"-L"},
                                                                  {},
                                                                  {"-d", "nonsense", "p"},
                                                                  {"-cpu", "z80", "p"},
                                                                  {"-dfilter", "?", "p"},
                                                                  {"--engine=vm", "p"}}) {
        const CommandLine line = parse(args);
        CHECK(line.exit_status == 1);
        CHECK(line.message.starts_with("ulna: "));
        CHECK(line.message.find('\n') == line.message.size() - 1);
    }
    for (const char* option : {"-help", "--help", "-version", "--version"}) {
        CHECK(parse({option}).exit_status == 0);
    }
    CHECK(parse({"-cpu", "help"}).message.find("cortex-a57") != std::string::npos);
    CHECK(!parse({"-one-insn-per-tb", "-cpu", "cortex-a53", "p"}).exit_status);
}
