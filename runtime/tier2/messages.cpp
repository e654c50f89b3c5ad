#include "runtime/tier2/messages.h"

#include "runtime/tier2/byte_stream.h"

namespace ulna::runtime {

namespace {

// One function for both ways, so that they agree. Structures with padding go field by field, as
// equal messages are found by their bytes.
template <class Stream, class Request> void transfer_fields(Stream& stream, Request& request) {
    stream.value(request.cpu);
    stream.value(request.mode);
    stream.value(request.mask_tags);
    stream.value(request.call_return_pairing);
    stream.value(request.passes);
    stream.value(request.only_worthwhile);
    stream.value(request.wants_text);
    stream.value(request.max_instructions);
    stream.value(request.max_side_exits);
    for (auto& page : request.pages) {
        stream.value(page.address);
        stream.value(page.number);
        stream.value(page.guarded);
        stream.value(page.bytes);
    }
}

template <class Stream, class Key> void transfer_key(Stream& stream, Key& key) {
    stream.value(key.pc);
    stream.value(key.mode);
    stream.value(key.page);
}

std::span<const char> characters(const std::string& text) { return {text.data(), text.size()}; }

void read_text(ByteReader& reader, std::string& text) {
    std::vector<char> characters;
    reader.array(characters);
    text.assign(characters.begin(), characters.end());
}

template <class T> std::span<const T> view(const std::vector<T>& elements) { return elements; }

// What the translation cache relies on.
bool makes_sense(const backend::CompiledBlock& code) {
    const std::size_t bytes = code.code.size();
    for (const backend::LinkSite& link : code.links) {
        if (bytes < 4 || link.displacement_offset > bytes - 4 || link.stub_offset >= bytes) {
            return false;
        }
    }
    for (const backend::FaultSite& fault : code.faults) {
        if (fault.guest_index >= code.guest_pcs.size()) {
            return false;
        }
    }
    for (const u32 end : code.location_ends) {
        if (end > code.locations.size()) {
            return false;
        }
    }
    return code.location_ends.size() == code.faults.size() || code.location_ends.empty();
}

} // namespace

std::vector<u8> encode(const CompileRequest& request) {
    ByteWriter writer;
    CompileRequest plain = request;
    plain.cpu.name = plain.cpu.description = nullptr;
    writer.value(static_cast<u32>(request.pages.size()));
    transfer_fields(writer, plain);
    writer.array(view(request.blocks));
    writer.array(view(request.indirect_targets));
    return writer.take();
}

bool decode(std::span<const u8> bytes, CompileRequest& request) {
    ByteReader reader(bytes);
    u32 pages = 0;
    reader.value(pages);
    if (pages > bytes.size() / CodePage::kBytes) {
        return false;
    }
    request.pages.resize(pages);
    transfer_fields(reader, request);
    request.cpu.name = request.cpu.description = "";
    reader.array(request.blocks);
    reader.array(request.indirect_targets);
    return reader.at_end();
}

std::vector<u8> encode(const CompileAnswer& answer) {
    ByteWriter writer;
    writer.array(characters(answer.refusal));
    writer.value(answer.nanoseconds);
    writer.value(answer.guest_instructions);
    writer.array(characters(answer.text));
    const backend::CompiledBlock& code = answer.code;
    transfer_key(writer, code.key);
    writer.value(code.hot_bytes);
    writer.array(view(code.code));
    writer.array(view(code.links));
    writer.array(view(code.faults));
    writer.array(view(code.locations));
    writer.array(view(code.location_ends));
    writer.array(view(code.guest_pcs));
    return writer.take();
}

bool decode(std::span<const u8> bytes, CompileAnswer& answer) {
    ByteReader reader(bytes);
    read_text(reader, answer.refusal);
    reader.value(answer.nanoseconds);
    reader.value(answer.guest_instructions);
    read_text(reader, answer.text);
    backend::CompiledBlock& code = answer.code;
    code.reset();
    transfer_key(reader, code.key);
    reader.value(code.hot_bytes);
    reader.array(code.code);
    reader.array(code.links);
    reader.array(code.faults);
    reader.array(code.locations);
    reader.array(code.location_ends);
    reader.array(code.guest_pcs);
    return reader.at_end() && makes_sense(code);
}

} // namespace ulna::runtime
