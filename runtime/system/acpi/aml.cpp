#include "runtime/system/acpi/aml.h"

#include <algorithm>
#include <array>

#include "runtime/system/uuid.h"

namespace ulna::system::acpi::aml {

namespace {

using devices::virt::Range;

// 20.3; those behind kExtended have two bytes.
enum Opcode : u8 {
    kZero = 0x00, // also the name without segments
    kOne = 0x01,
    kName = 0x08,
    kByte = 0x0a,
    kWord = 0x0b,
    kDword = 0x0c,
    kString = 0x0d,
    kQword = 0x0e,
    kScope = 0x10,
    kBuffer = 0x11,
    kPackage = 0x12,
    kVariablePackage = 0x13,
    kMethod = 0x14,
    kDualName = 0x2e,
    kMultiName = 0x2f,
    kExtended = 0x5b,
    kLocal0 = 0x60,
    kArgument0 = 0x68,
    kStore = 0x70,
    kAnd = 0x7b,
    kOr = 0x7d,
    kNotify = 0x86,
    kCreateDwordField = 0x8a,
    kLogicalNot = 0x92,
    kLogicalEqual = 0x93,
    kIf = 0xa0,
    kElse = 0xa1,
    kReturn = 0xa4,
};
enum ExtendedOpcode : u8 { kOperationRegion = 0x80, kField = 0x81, kDevice = 0x82 };

Bytes join(const Terms& terms) {
    Bytes all;
    for (const Term& term : terms) {
        put(all, term.bytes);
    }
    return all;
}
// An operation with its operands.
Term operation(Opcode opcode, const Terms& operands) {
    Bytes bytes{opcode};
    put(bytes, join(operands));
    return Term{std::move(bytes)};
}

// PkgLength (20.2.4): six bits, or four and up to three bytes more, whose number is in bits 7:6.
Bytes length_field(u64 value) {
    constexpr u64 kMostInOneByte = 0x3f;
    if (value <= kMostInOneByte) {
        return {static_cast<u8>(value)};
    }
    Bytes bytes{static_cast<u8>(value & 0xf)};
    for (u64 rest = value >> 4; rest != 0; rest >>= 8) {
        bytes.push_back(static_cast<u8>(rest));
    }
    CHECK(bytes.size() <= 4);
    bytes[0] |= static_cast<u8>((bytes.size() - 1) << 6);
    return bytes;
}
// Opcode, length of what follows, itself included, and that.
Term block(const Bytes& opcode, const Bytes& body) {
    std::size_t own = 1;
    while (length_field(body.size() + own).size() != own) {
        ++own;
    }
    Bytes bytes = opcode;
    put(bytes, length_field(body.size() + own));
    put(bytes, body);
    return Term{std::move(bytes)};
}
Term block(const Bytes& opcode, Bytes head, const Terms& body) {
    put(head, join(body));
    return block(opcode, head);
}

// NameString (20.2.2).
Bytes name_string(Path path) {
    constexpr std::size_t kSegment = 4;
    Bytes bytes;
    if (path.starts_with('\\')) {
        bytes.push_back('\\');
        path.remove_prefix(1);
    }
    if (path.empty()) {
        bytes.push_back(kZero);
        return bytes;
    }
    const auto segments = static_cast<u8>(std::ranges::count(path, '.') + 1);
    if (segments == 2) {
        bytes.push_back(kDualName);
    } else if (segments > 2) {
        bytes.push_back(kMultiName);
        bytes.push_back(segments);
    }
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('.'), path.size());
        put_text(bytes, path.substr(0, end), kSegment, '_');
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return bytes;
}

} // namespace

Bytes Term::integer(u64 value) {
    struct Form {
        Opcode opcode;
        unsigned bytes;
    };
    if (value <= 1) {
        return {static_cast<u8>(value == 0 ? kZero : kOne)};
    }
    constexpr std::array<Form, 4> kForms{{{kByte, 1}, {kWord, 2}, {kDword, 4}, {kQword, 8}}};
    const auto* const form = std::ranges::find_if(
        kForms, [&](const Form& f) { return f.bytes == 8 || value >> (8 * f.bytes) == 0; });
    Bytes bytes{form->opcode};
    put(bytes, value, form->bytes);
    return bytes;
}

Term scope(Path path, const Terms& body) { return block({kScope}, name_string(path), body); }
Term device(Path path, const Terms& body) {
    return block({kExtended, kDevice}, name_string(path), body);
}
Term name(Path path, const Term& value) { return operation(kName, {aml::path(path), value}); }

Term method(Path path, unsigned arguments, const Terms& body, Serialized serialized) {
    constexpr unsigned kSerializedBit = 3;
    Bytes head = name_string(path);
    head.push_back(static_cast<u8>(arguments | (serialized == Serialized::Yes) << kSerializedBit));
    return block({kMethod}, std::move(head), body);
}

Term operation_region(Path path, Range memory) {
    constexpr u8 kSystemMemory = 0;
    Bytes bytes{kExtended, kOperationRegion};
    put(bytes, name_string(path));
    bytes.push_back(kSystemMemory);
    put(bytes, join({memory.base, memory.bytes}));
    return Term{std::move(bytes)};
}

Term dword_field(Path region, const std::vector<FieldUnit>& units) {
    constexpr u8 kDwordAccess = 3, kWriteAsZeros = 2 << 5;
    Bytes body = name_string(region);
    body.push_back(kDwordAccess | kWriteAsZeros);
    for (const FieldUnit& unit : units) {
        put(body, name_string(unit.name));
        put(body, length_field(unit.bits));
    }
    return block({kExtended, kField}, body);
}

Term create_dword_field(const Term& buffer, const Term& byte, Path path) {
    return operation(kCreateDwordField, {buffer, byte, aml::path(path)});
}

Term path(Path path) { return Term{name_string(path)}; }

Term text(std::string_view value) {
    Bytes bytes{kString};
    put_text(bytes, value, value.size() + 1, '\0');
    return Term{std::move(bytes)};
}

Term unicode(std::string_view ascii) {
    Bytes bytes;
    for (const char c : ascii) {
        put(bytes, static_cast<u8>(c), 2);
    }
    put_zeros(bytes, 2);
    return buffer(bytes);
}

Term uuid(std::string_view value) {
    const std::optional<Uuid> parsed = parse_uuid(value);
    CHECK(parsed.has_value());
    return buffer(table_order(*parsed));
}

Term buffer(const Bytes& bytes) {
    return block({kBuffer}, Term{bytes.size()}.bytes, {Term{bytes}});
}

Term package(const Terms& elements) {
    CHECK(elements.size() <= 0xff);
    return block({kPackage}, {static_cast<u8>(elements.size())}, elements);
}
Term variable_package(const Terms& elements) {
    return block({kVariablePackage}, Term{elements.size()}.bytes, elements);
}

Term local(unsigned n) { return Term{Bytes{static_cast<u8>(kLocal0 + n)}}; }
Term argument(unsigned n) { return Term{Bytes{static_cast<u8>(kArgument0 + n)}}; }

Term store(const Term& value, const Term& target) { return operation(kStore, {value, target}); }
Term bit_and(const Term& a, const Term& b, const Term& target) {
    return operation(kAnd, {a, b, target});
}
Term bit_or(const Term& a, const Term& b, const Term& target) {
    return operation(kOr, {a, b, target});
}
Term equal(const Term& a, const Term& b) { return operation(kLogicalEqual, {a, b}); }
Term logical_not(const Term& a) { return operation(kLogicalNot, {a}); }
Term if_then(const Term& condition, const Terms& body) {
    return block({kIf}, condition.bytes, body);
}
Term otherwise(const Terms& body) { return block({kElse}, {}, body); }
Term give_back(const Term& value) { return operation(kReturn, {value}); }
Term notify(Path object, const Term& value) {
    return operation(kNotify, {aml::path(object), value});
}

namespace {

// Large descriptors: tag, length in two bytes, fields.
Resource descriptor(u8 tag, const Bytes& fields) {
    Resource made{{tag}};
    put(made.bytes, fields.size(), 2);
    put(made.bytes, fields);
    return made;
}

// Address space descriptors (6.4.3.5): the same fields in three widths.
enum class Space : u8 { Memory = 0, Io = 1, BusNumber = 2 };
struct Window {
    Space space;
    u8 space_flags; // read-write memory; the whole range of I/O
    u64 first, last, translation;
};
Resource address_space(u8 tag, unsigned bytes, const Window& window) {
    constexpr u8 kFixedBothEnds = 0x0c; // a producer, positive decode
    Bytes fields{static_cast<u8>(window.space), kFixedBothEnds, window.space_flags};
    for (const u64 value : {u64{0} /* granularity */, window.first, window.last, window.translation,
                            window.last - window.first + 1}) {
        put(fields, value, bytes);
    }
    return descriptor(tag, fields);
}
constexpr u8 kWordSpace = 0x88, kDwordSpace = 0x87, kQwordSpace = 0x8a;
constexpr u8 kReadWrite = 1, kEntireRange = 3;

} // namespace

Resource memory32(Range range) {
    constexpr u8 kMemory32Fixed = 0x86;
    Bytes fields{kReadWrite};
    put(fields, range.base, 4);
    put(fields, range.bytes, 4);
    return descriptor(kMemory32Fixed, fields);
}

Resource interrupt(unsigned intid, Trigger trigger) {
    constexpr u8 kExtendedInterrupt = 0x89, kConsumer = 1; // active high, exclusive
    Bytes fields{static_cast<u8>(kConsumer | static_cast<u8>(trigger) << 1), 1 /* of them */};
    put(fields, intid, 4);
    return descriptor(kExtendedInterrupt, fields);
}

Resource bus_numbers(u8 first, u8 last) {
    return address_space(kWordSpace, 2, {Space::BusNumber, 0, first, last, 0});
}
Resource memory_window32(Range range) {
    return address_space(kDwordSpace, 4,
                         {Space::Memory, kReadWrite, range.base, range.end() - 1, 0});
}
Resource memory_window64(Range range) {
    return address_space(kQwordSpace, 8,
                         {Space::Memory, kReadWrite, range.base, range.end() - 1, 0});
}
Resource io_window(Range bus, devices::PhysAddr translation) {
    return address_space(kDwordSpace, 4,
                         {Space::Io, kEntireRange, bus.base, bus.end() - 1, translation});
}

Term resource_template(const std::vector<Resource>& resources) {
    constexpr u8 kEndTag = 0x79;
    Bytes bytes;
    for (const Resource& resource : resources) {
        put(bytes, resource.bytes);
    }
    bytes.push_back(kEndTag);
    bytes.push_back(0); // no checksum
    return buffer(bytes);
}

} // namespace ulna::system::acpi::aml
