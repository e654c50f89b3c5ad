// AML, the bytecode of ACPI's definition blocks (ACPI 6.5, chapter 20): each function makes the
// bytes of one term, and terms are nested as in ASL, whose names they have.
#pragma once

#include <concepts>
#include <string_view>
#include <vector>

#include "runtime/devices/virt_map.h"
#include "runtime/system/byte_writer.h"

namespace ulna::system::acpi::aml {

struct Term {
    Bytes bytes;
    Term() = default;
    explicit Term(Bytes of) : bytes(std::move(of)) {}
    // Numbers are terms, in their shortest form.
    template <std::integral Number> Term(Number value) : Term(integer(static_cast<u64>(value))) {}

  private:
    static Bytes integer(u64 value);
};
using Terms = std::vector<Term>;

// Names: four characters or fewer, `\` for the root, dots between segments.
using Path = std::string_view;

// Objects.
[[nodiscard]] Term scope(Path path, const Terms& body);
[[nodiscard]] Term device(Path path, const Terms& body);
[[nodiscard]] Term name(Path path, const Term& value);
enum class Serialized : u8 { No, Yes };
[[nodiscard]] Term
method(Path path, unsigned arguments, const Terms& body, Serialized serialized = Serialized::No);
[[nodiscard]] Term operation_region(Path path, devices::virt::Range memory);
struct FieldUnit {
    Path name;
    unsigned bits;
};
// Of a region in memory: accesses of 32 bits, and bits that are not written become zero.
[[nodiscard]] Term dword_field(Path region, const std::vector<FieldUnit>& units);
[[nodiscard]] Term create_dword_field(const Term& buffer, const Term& byte, Path path);

// Values.
[[nodiscard]] Term path(Path path);
[[nodiscard]] Term text(std::string_view value);
[[nodiscard]] Term unicode(std::string_view ascii);
[[nodiscard]] Term uuid(std::string_view value); // as 33db4d5b-1ff7-401c-9657-7441c03dd766
[[nodiscard]] Term buffer(const Bytes& bytes);
[[nodiscard]] Term package(const Terms& elements);
[[nodiscard]] Term variable_package(const Terms& elements); // more than a byte can count
[[nodiscard]] Term local(unsigned n);
[[nodiscard]] Term argument(unsigned n);

// Statements and expressions; a target may be left out.
[[nodiscard]] Term store(const Term& value, const Term& target);
[[nodiscard]] Term bit_and(const Term& a, const Term& b, const Term& target = 0);
[[nodiscard]] Term bit_or(const Term& a, const Term& b, const Term& target = 0);
[[nodiscard]] Term equal(const Term& a, const Term& b);
[[nodiscard]] Term logical_not(const Term& a);
[[nodiscard]] Term if_then(const Term& condition, const Terms& body);
[[nodiscard]] Term otherwise(const Terms& body);
[[nodiscard]] Term give_back(const Term& value);
[[nodiscard]] Term notify(Path object, const Term& value);

// What a _CRS has (6.4).
struct Resource {
    Bytes bytes;
};
enum class Trigger : u8 { Level = 0, Edge = 1 };
[[nodiscard]] Resource memory32(devices::virt::Range range);
[[nodiscard]] Resource interrupt(unsigned intid, Trigger trigger);
// Windows that a bridge forwards: first and last are the bus's addresses, to which `translation`
// is added for the CPU's.
[[nodiscard]] Resource bus_numbers(u8 first, u8 last);
[[nodiscard]] Resource memory_window32(devices::virt::Range range);
[[nodiscard]] Resource memory_window64(devices::virt::Range range);
[[nodiscard]] Resource io_window(devices::virt::Range bus, devices::PhysAddr translation);
[[nodiscard]] Term resource_template(const std::vector<Resource>& resources);

} // namespace ulna::system::acpi::aml
