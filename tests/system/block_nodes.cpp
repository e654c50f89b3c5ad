// Block nodes: what -blockdev and blockdev-add understand, and which images are open then.
#include "runtime/system/block_nodes.h"

#include <nlohmann/json.hpp>
#include <random>

#include "runtime/system/json_properties.h"
#include "tests/system/temporary_file.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::system {
namespace {

using Driver = BlockNodeOptions::Driver;

struct Parsed {
    std::vector<BlockNodeOptions> nodes;
    std::string error;
};

Parsed parse(const std::string& text) {
    Parsed parsed;
    unsigned unnamed = 0;
    Properties properties = Properties::of_option(text, "driver");
    parse_block_nodes(properties, parsed.nodes, unnamed);
    parsed.error = properties.finish();
    return parsed;
}

TEST_CASE("nodes are described by keys or by JSON", "[blockdev]") {
    const Parsed keys =
        parse("raw,node-name=r,read-only=on,cache.no-flush=on,file.driver=file,file.filename=a,,b");
    const Parsed json =
        parse(R"({"driver": "raw", "node-name": "r", "read-only": true, "cache": {"no-flush": true},
                                  "file": {"driver": "file", "filename": "a,b"}})");
    for (const Parsed& parsed : {keys, json}) {
        REQUIRE(parsed.error.empty());
        REQUIRE(parsed.nodes.size() == 2);
        CHECK(parsed.nodes[0].name == "#block0");
        CHECK(parsed.nodes[0].path == "a,b");
        CHECK(parsed.nodes[1].child == "#block0");
        CHECK(parsed.nodes[1].driver == Driver::Raw);
        CHECK(parsed.nodes[1].read_only);
        CHECK(!parsed.nodes[1].policy.flushes);
        CHECK(!parsed.nodes[1].policy.discards);
    }
    CHECK(parse("nbd,node-name=n,server.type=unix,server.path=/s,export=e").nodes[0].path ==
          "nbd:unix:/s:exportname=e");
    CHECK(parse("nbd,node-name=n,server.type=inet,server.host=h,server.port=1").nodes[0].path ==
          "nbd:h:1");
    CHECK(parse("file,node-name=n,filename=nbd:x").nodes[0].path == "./nbd:x");
    CHECK(parse("null-co,node-name=n,size=1024,discard=unmap").nodes[0].null_bytes == 1024);
}

TEST_CASE("what describes no node is said in a line", "[blockdev]") {
    CHECK(parse("").error == "needs driver=");
    CHECK(parse("vvfat,node-name=a").error ==
          "driver=vvfat: file, host_device, nbd, null-co, null-aio, raw or qcow2");
    CHECK(parse("file,node-name=a").error == "needs filename=");
    CHECK(parse("file,node-name=a,filename=b,frob=1").error == "frob: no such property");
    CHECK(parse("raw,node-name=a,file.driver=file").error == "needs file.filename=");
    CHECK(parse("raw,node-name=a,offset=1,file=b").error == "offset: no such property");
    CHECK(parse("file,node-name=#a,filename=b").error ==
          "node-name=#a: a letter, then letters, digits and -._");
    CHECK(parse("file,node-name=a,filename=b,force-share=on").error ==
          "force-share=on: an image that others write is not used");
    CHECK(parse("{\n").error == "'{ ': no object of JSON");
    CHECK(parse("{}").error == "needs driver=");
    CHECK(parse(std::string(100, '{')).error ==
          "'" + std::string(40, '{') + "...': no object of JSON");
}

TEST_CASE("random descriptions are understood or refused", "[blockdev][fuzz]") {
    std::mt19937_64 random{test::seed(1)};
    const std::vector<std::string> pieces = {"{",
                                             "}",
                                             "\"driver\":",
                                             "\"raw\"",
                                             "\"file\":",
                                             "\"nbd\"",
                                             ",",
                                             ":",
                                             "1",
                                             "null",
                                             "true",
                                             "[",
                                             "]",
                                             "\"node-name\":",
                                             "\"a\"",
                                             "raw",
                                             "file",
                                             "file.",
                                             "driver=",
                                             "node-name=",
                                             "=",
                                             "nbd",
                                             "server.type=unix",
                                             "filename=x",
                                             "\xff",
                                             "\\",
                                             "qcow2",
                                             "size=",
                                             "99999999999999999999"};
    for (int i = 0; i < 20'000; ++i) {
        std::string text = i % 2 == 0 ? "{" : "";
        for (auto n = random() % 12; n > 0; --n) {
            text += pieces[random() % pieces.size()];
        }
        const Parsed parsed = parse(text);
        CHECK((!parsed.error.empty() || !parsed.nodes.back().name.empty()));
        CHECK(parsed.error.find('\n') == std::string::npos);
    }
}

struct Graph {
    std::string add(const std::string& text) {
        Parsed parsed = parse(text);
        REQUIRE(parsed.error.empty());
        return nodes.add(std::move(parsed.nodes));
    }
    BlockNodes nodes;
};

TEST_CASE("an image is open in the topmost node alone", "[blockdev]") {
    const test::TemporaryFile image{std::string(4096, 'x')};
    const std::string file = "file,node-name=f,filename=" + image.path();
    Graph graph;
    REQUIRE(graph.add(file) == "");
    CHECK(graph.nodes.find("f")->image->bytes() == 4096);
    REQUIRE(graph.add("raw,node-name=r,file=f") == "");
    CHECK(graph.nodes.find("f")->image == nullptr);
    CHECK(graph.nodes.find("r")->image->bytes() == 4096);
    CHECK(graph.add("raw,node-name=s,file=f") == "node 'f' is in use");
    CHECK(graph.add("raw,node-name=r,file=f") == "there is a node 'r' already");
    CHECK(graph.add("raw,node-name=s,file=x") == "there is no node 'x'");
    CHECK(graph.nodes.remove("f") == "node 'f' is in use");
    CHECK(graph.nodes.remove("r") == "");
    CHECK(graph.nodes.find("f")->image != nullptr);
    CHECK(graph.nodes.remove("f") == "");
    CHECK(graph.nodes.all().empty());
    CHECK(graph.add("host_device,node-name=h,filename=" + image.path())
              .ends_with("is no block device, as driver host_device wants"));
    CHECK(graph.nodes.all().empty());
}

TEST_CASE("nodes are written only if those below them are", "[blockdev]") {
    const test::TemporaryFile image{std::string(4096, 'x')};
    Graph graph;
    REQUIRE(graph.add("file,node-name=f,read-only=on,filename=" + image.path()) == "");
    CHECK(graph.add("raw,node-name=r,file=f") == "node 'r' cannot be written, as 'f' is read-only");
    CHECK(graph.nodes.find("f")->image != nullptr); // as before
    REQUIRE(graph.add("raw,node-name=r,auto-read-only=on,file=f") == "");
    CHECK(graph.nodes.find("r")->image->read_only());
}

TEST_CASE("a disk without an image reads as zeroes", "[blockdev]") {
    Graph graph;
    REQUIRE(graph.add("null-co,node-name=n,size=1048576") == "");
    auto& image = *graph.nodes.find("n")->image;
    std::array<u8, 512> bytes;
    bytes.fill(1);
    const iovec piece{bytes.data(), bytes.size()};
    CHECK(image.write(512, {&piece, 1}) == 0);
    CHECK(image.read(512, {&piece, 1}) == 0);
    CHECK(bytes == std::array<u8, 512>{});
    CHECK(image.counters().of(devices::virtio::BlockCounters::Write).bytes == 512);
    CHECK(image.counters().write_end() == 1024);
}

} // namespace
} // namespace ulna::system
