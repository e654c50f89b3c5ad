// QMP's protocol without a machine: bytes in, bytes out.
#include <nlohmann/json.hpp>

#include <algorithm>

#include "runtime/system/qmp/event_line.h"
#include "runtime/system/qmp/protocol.h"
#include "tests/support/seed.h"

#include "tests/support/catch.h"

namespace ulna::system::qmp {
namespace {

using Type = Argument::Type;

std::vector<Command> some_commands() {
    return {{"echo",
             {{"text", Type::Text},
              {"number", Type::Integer, false},
              {"size", Type::Unsigned, false},
              {"list", Type::List, false}},
             [](const Json& arguments) -> Result { return arguments; }},
            {"fail", {}, [](const Json&) -> Result {
                 return Failure{"for a reason", "DeviceNotFound"};
             }}};
}

struct Client {
    std::vector<Json> send(std::string_view bytes) {
        std::deque<Message> messages;
        is_open =
            is_open &&
            splitter.take({reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, messages);
        std::vector<Json> answers;
        for (const Message& message : messages) {
            const std::string line = session.answer(message);
            REQUIRE(line.ends_with("\r\n"));
            REQUIRE(std::ranges::count(line, '\n') == 1);
            REQUIRE(std::ranges::all_of(line, [](char c) { return static_cast<u8>(c) < 0x80; }));
            answers.push_back(Json::parse(line));
        }
        return answers;
    }
    Json ask(std::string_view bytes) {
        const std::vector<Json> answers = send(bytes);
        REQUIRE(answers.size() == 1);
        return answers.front();
    }
    std::string error(std::string_view bytes) {
        const Json answer = ask(bytes);
        REQUIRE(answer.size() == 1);
        REQUIRE(answer["error"].size() == 2);
        return answer["error"]["class"].get<std::string>() + ": " +
               answer["error"]["desc"].get<std::string>();
    }
    void negotiate() {
        REQUIRE(ask(R"({"execute": "qmp_capabilities"})") == Json{{"return", Json::object()}});
    }

    const std::vector<Command> commands = some_commands();
    Session session{commands};
    MessageSplitter splitter;
    bool is_open = true;
};

struct Negotiated : Client {
    Negotiated() { negotiate(); }
};

Json parsed(const char* text) { return Json::parse(text); }

TEST_CASE("a server greets with its version", "[qmp]") {
    CHECK(Json::parse(greeting({{"package", "x"}})) ==
          parsed(R"({"QMP": {"version": {"package": "x"}, "capabilities": []}})"));
}

TEST_CASE_METHOD(Client, "capabilities come first, and once", "[qmp]") {
    CHECK(error(R"({"execute": "fail"})").starts_with("CommandNotFound: "));
    CHECK(error(R"({"execute": "frob"})").starts_with("CommandNotFound: "));
    CHECK(error(R"({"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}})") ==
          "GenericError: argument 'enable' has a capability that was not offered");
    CHECK(error(R"({"execute": "qmp_capabilities", "arguments": {"frob": 1}})") ==
          "GenericError: there is no argument 'frob'");
    CHECK_FALSE(session.negotiated());
    CHECK(ask(R"({"execute": "qmp_capabilities", "arguments": {"enable": []}, "id": 1})") ==
          parsed(R"({"return": {}, "id": 1})"));
    CHECK(session.negotiated());
    CHECK(error(R"({"execute": "qmp_capabilities"})").starts_with("CommandNotFound: "));
}

TEST_CASE_METHOD(Negotiated, "commands answer, with the client's id", "[qmp]") {
    CHECK(ask(R"({"execute": "echo", "arguments": {"text": "a"}, "id": [1, {"b": null}, 2.5]})") ==
          parsed(R"({"return": {"text": "a"}, "id": [1, {"b": null}, 2.5]})"));
    CHECK(ask(R"({"execute": "fail", "id": "x"})") ==
          parsed(R"({"error": {"class": "DeviceNotFound", "desc": "for a reason"}, "id": "x"})"));
    CHECK(error(R"({"execute": "frob"})") == "CommandNotFound: there is no command 'frob'");
    CHECK(ask(R"({"execute": "query-commands"})") ==
          parsed(R"({"return": [{"name": "qmp_capabilities"}, {"name": "query-commands"},
                                {"name": "query-qmp-schema"}, {"name": "echo"}, {"name": "fail"}]})"));
    CHECK(error(R"({"execute": "query-commands", "arguments": {"a": 1}})") ==
          "GenericError: there is no argument 'a'");
}

TEST_CASE_METHOD(Negotiated, "answers are lines with QEMU's spaces", "[qmp]") {
    const auto answer = [&](const char* text) { return session.answer({text, false}); };
    CHECK(answer(R"({"execute":"echo","arguments":{"text":"a:\"b,\\"},"id":[1,2]})") ==
          R"({"id": [1, 2], "return": {"text": "a:\"b,\\"}})"
          "\r\n");
    CHECK(answer(R"({"execute":"echo","arguments":{"text":"\u00e9\n"}})") ==
          R"({"return": {"text": "\u00e9\n"}})"
          "\r\n");
}

TEST_CASE_METHOD(Negotiated, "arguments are checked", "[qmp]") {
    const auto refused = [&](const std::string& arguments) {
        const std::string text = error(R"({"execute": "echo", "arguments": )" + arguments + "}");
        REQUIRE(text.starts_with("GenericError: "));
        return text.substr(text.find(' ') + 1);
    };
    CHECK(refused("{}") == "argument 'text' is missing");
    CHECK(refused(R"({"text": 1})") == "argument 'text' has to be a string");
    CHECK(refused(R"({"text": "a", "number": 1.0})") == "argument 'number' has to be an integer");
    CHECK(refused(R"({"text": "a", "number": 9223372036854775808})") ==
          "argument 'number' has to be an integer");
    CHECK(refused(R"({"text": "a", "size": -1})") ==
          "argument 'size' has to be an integer that is not negative");
    CHECK(refused(R"({"text": "a", "list": {}})") == "argument 'list' has to be a list");
    CHECK(refused(R"({"text": "a", "frob": 1})") == "there is no argument 'frob'");
    CHECK(refused("[]") == "member 'arguments' has to be an object");
    const Json most = ask(R"({"execute": "echo", "arguments": {"text": "", "number": -1,
                              "size": 18446744073709551615, "list": [1]}})");
    CHECK(most["return"]["size"] == ~u64{0});
}

TEST_CASE_METHOD(Negotiated, "what is no command is refused, and the next one served", "[qmp]") {
    CHECK(error("[1]") == "GenericError: a message has to be an object");
    CHECK(error("\"a\"") == "GenericError: a message has to be an object");
    CHECK(error("null\n") == "GenericError: a message has to be an object");
    CHECK(error("{}") == "GenericError: member 'execute' is missing");
    CHECK(error(R"({"execute": 5})") == "GenericError: member 'execute' has to be a string");
    CHECK(error(R"({"execute": "fail", "frob": 1})") ==
          "GenericError: a message has no member 'frob'");
    CHECK(error(R"({"exec-oob": "fail"})") == "GenericError: a message has no member 'exec-oob'");
    for (const char* const bad : {"frob\n",
                                  "{\"execute\" \"fail\"}",
                                  "{\"a\": 1 \"b\": 2}",
                                  "}",
                                  "]",
                                  ",",
                                  "[}",
                                  "{]",
                                  "{\"a\":}",
                                  "[1,]",
                                  "01 ",
                                  "1e999 ",
                                  "\"\\q\"",
                                  "\"\\ud800\"",
                                  "\"\xff\"",
                                  "\xff\n",
                                  "\x1b\n",
                                  "{\"execute\": \"fail\n",
                                  "\"\t\n",
                                  "tru\n",
                                  "{\"a\": 'b\\",
                                  "'\n"}) {
        CAPTURE(bad);
        const std::vector<Json> answers = send(bad);
        send("\n"); // ends what is open
        for (const Json& answer : answers) {
            CHECK(answer["error"]["class"] == "GenericError");
            CHECK(answer["error"]["desc"].get<std::string>().starts_with("JSON parse error, "));
        }
        CHECK(ask(R"({"execute": "echo", "arguments": {"text": "a"}})") ==
              parsed(R"({"return": {"text": "a"}})"));
    }
    CHECK(is_open);
}

TEST_CASE_METHOD(Negotiated, "messages come in pieces, and several at once", "[qmp]") {
    const std::string text = R"({"execute": "echo", "arguments": {"text": "a}]\"é\\"}})";
    for (const char c : text.substr(0, text.size() - 1)) {
        CHECK(send({&c, 1}).empty());
    }
    CHECK(ask("}")["return"]["text"] == "a}]\"é\\");
    CHECK(send(text + text + "\r\n \t" + text).size() == 3);
    CHECK(ask(R"({'execute': 'echo', 'arguments': {'text': 'a"b\'c\n'}})")["return"]["text"] ==
          "a\"b'c\n");
    CHECK(send("1 2[]3,").size() == 5); // the last is a stray comma
}

TEST_CASE_METHOD(Negotiated, "a client that asks for too much is told once", "[qmp]") {
    const std::string piece(4096, '[');
    std::size_t answers = 0, sent = 0;
    while (is_open) {
        answers += send(piece).size();
        sent += piece.size();
    }
    CHECK(answers == 1);
    CHECK(sent <= 2 * MessageSplitter::kMostDepth + piece.size());
}

TEST_CASE_METHOD(Negotiated, "messages have a most length", "[qmp]") {
    for (const char* const start : {"\"", "1", "[", "[\"", "{\"a\":"}) {
        Negotiated client;
        CHECK(client.send(start).empty());
        const std::string piece = start[0] == '[' && start[1] == 0 ? "1,2,3,4," : "11111111";
        std::size_t answers = 0, sent = 0;
        while (client.is_open) {
            answers += client.send(piece).size();
            sent += piece.size();
            REQUIRE(sent <= MessageSplitter::kMostBytes + 2 * piece.size());
        }
        CHECK(answers == 1);
    }
    // What is as deep and as long as it may be is a message.
    const std::string deep = std::string(MessageSplitter::kMostDepth - 1, '[') +
                             std::string(MessageSplitter::kMostDepth - 1, ']');
    CHECK(ask(R"({"execute": "fail", "id":)" + deep + "}")["id"] == Json::parse(deep));
    const std::string end = R"("}})", start = R"({"execute":"echo","arguments":{"text":")";
    const std::string longest(MessageSplitter::kMostBytes - start.size() - end.size(), 'a');
    CHECK((ask(start + longest + end)["return"]["text"] == longest));
    CHECK(is_open);
}

TEST_CASE("random bytes get answers, and no crash", "[qmp]") {
    static const char* const kWords[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ":",
                                         ",",
                                         "\"",
                                         "'",
                                         "\\",
                                         "\n",
                                         " ",
                                         "1",
                                         "-",
                                         ".5e",
                                         "true",
                                         "nul",
                                         "\x80",
                                         "\xc3\xa9",
                                         "\x01",
                                         "\\u12",
                                         "id",
                                         "a",
                                         "\"a\"",
                                         "\"execute\"",
                                         "0",
                                         "\"echo\"",
                                         "{}",
                                         "[]",
                                         "\"arguments\"",
                                         "\"id\""};
    u64 random = test::seed(5);
    const auto next = [&random] {
        random = random * 6364136223846793005 + 1442695040888963407;
        return random >> 33;
    };
    Negotiated client;
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (u64 n = next() % 24; n != 0; --n) {
            text += kWords[next() % std::size(kWords)];
        }
        client.send(text);
        client.send("\n\"\n}\n"); // ends whatever is open
        REQUIRE(client.is_open);
    }
    CHECK(client.ask(R"({"execute": "fail"})")["error"]["class"] == "DeviceNotFound");
}

TEST_CASE("events say what has happened, and when", "[qmp]") {
    using Kind = MachineEvent::Kind;
    const auto event = [](Kind kind, Cause cause = {}) {
        return Json::parse(event_line({kind, cause}, 1'700'000'000'000'005));
    };
    CHECK(event(Kind::Stop) ==
          parsed(R"({"event": "STOP", "timestamp": {"seconds": 1700000000, "microseconds": 5}})"));
    CHECK(event(Kind::Resume)["event"] == "RESUME");
    CHECK(event(Kind::PowerKey)["event"] == "POWERDOWN");
    CHECK(event(Kind::Reset, Cause::GuestReset)["data"] ==
          parsed(R"({"guest": true, "reason": "guest-reset"})"));
    CHECK(event(Kind::Shutdown, Cause::HostSignal)["data"] ==
          parsed(R"({"guest": false, "reason": "host-signal"})"));
}

} // namespace
} // namespace ulna::system::qmp
