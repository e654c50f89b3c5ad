// What a boot loader adds to a tree that it was given.
#include <libfdt.h>

#include <algorithm>

#include "runtime/devices/virt_map.h"
#include "runtime/system/device_tree.h"

namespace ulna::system {

namespace {

// Thrown away with the first error: libfdt's functions return a negative number then.
class Editor {
  public:
    explicit Editor(std::vector<u8>& tree) : tree_(tree) {}

    int error() const { return error_; }

    // The node below the root, made if it is not there.
    int node(const char* name) {
        const int found = fdt_subnode_offset(tree_.data(), 0, name);
        return note(found != -FDT_ERR_NOTFOUND ? found : fdt_add_subnode(tree_.data(), 0, name));
    }
    int memory_node() {
        const char kMemory[] = "memory";
        const int found =
            fdt_node_offset_by_prop_value(tree_.data(), -1, "device_type", kMemory, sizeof kMemory);
        return found >= 0 ? found : node("memory@40000000");
    }
    void set(int node, const char* name, const void* bytes, std::size_t count) {
        if (error_ == 0) {
            note(fdt_setprop(tree_.data(), node, name, bytes, static_cast<int>(count)));
        }
    }
    void set(int node, const char* name, const std::string& value) {
        set(node, name, value.c_str(), value.size() + 1);
    }
    void set(int node, const char* name, u64 value) {
        const fdt64_t bytes = cpu_to_fdt64(value);
        set(node, name, &bytes, sizeof bytes);
    }
    int cells(const char* name) { // of the root's children
        return std::string_view(name) == "#size-cells" ? fdt_size_cells(tree_.data(), 0)
                                                       : fdt_address_cells(tree_.data(), 0);
    }

  private:
    int note(int result) {
        if (result < 0 && error_ == 0) {
            error_ = result;
        }
        return result;
    }

    std::vector<u8>& tree_;
    int error_ = 0;
};

void append_cells(std::vector<u8>& to, u64 value, int cells) {
    for (int shift = 32 * cells - 8; shift >= 0; shift -= 8) {
        to.push_back(shift >= 64 ? 0 : static_cast<u8>(value >> shift));
    }
}

void set_memory(Editor& editor, u64 ram_bytes) {
    std::vector<u8> reg;
    append_cells(reg, devices::virt::kRam, std::clamp(editor.cells("#address-cells"), 1, 4));
    append_cells(reg, ram_bytes, std::clamp(editor.cells("#size-cells"), 1, 4));
    const int memory = editor.memory_node();
    editor.set(memory, "device_type", std::string("memory"));
    editor.set(memory, "reg", reg.data(), reg.size());
}

void set_chosen(Editor& editor, const BootArguments& boot) {
    const int chosen = editor.node("chosen");
    if (!boot.command_line.empty()) {
        editor.set(chosen, "bootargs", boot.command_line);
    }
    if (boot.initrd_bytes != 0) {
        editor.set(chosen, "linux,initrd-start", boot.initrd);
        editor.set(chosen, "linux,initrd-end", boot.initrd + boot.initrd_bytes);
    }
    if (boot.kaslr_seed) {
        editor.set(chosen, "kaslr-seed", *boot.kaslr_seed);
    }
    if (boot.rng_seed) {
        editor.set(chosen, "rng-seed", boot.rng_seed->data(), boot.rng_seed->size());
    }
}

} // namespace

bool complete_device_tree(std::vector<u8>& tree,
                          u64 ram_bytes,
                          const BootArguments& boot,
                          std::string& why_not) {
    if (tree.size() < sizeof(fdt_header) || tree.size() > INT32_MAX / 2 ||
        fdt_check_full(tree.data(), tree.size()) != 0) {
        why_not = "not a flattened device tree, or a damaged one";
        return false;
    }
    const std::size_t room = tree.size() + boot.command_line.size() + 4096;
    std::vector<u8> larger(room);
    if (fdt_open_into(tree.data(), larger.data(), static_cast<int>(room)) != 0) {
        why_not = "a device tree of a version that cannot be changed";
        return false;
    }
    Editor editor(larger);
    set_memory(editor, ram_bytes);
    set_chosen(editor, boot);
    if (editor.error() != 0) {
        why_not =
            std::string("a device tree that cannot be changed: ") + fdt_strerror(editor.error());
        return false;
    }
    (void)fdt_pack(larger.data());
    larger.resize(fdt_totalsize(larger.data()));
    tree.swap(larger);
    return true;
}

} // namespace ulna::system
