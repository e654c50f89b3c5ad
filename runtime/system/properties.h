// The value of an option as QEMU's users write it: "first,key=value,flag,text=a,,b".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::system {

// Values are taken by name; what nobody took is an error in the end. The first error stays.
class Properties {
  public:
    // `implied` is the key of a first item that has none; other such items are flags that are on.
    Properties(const std::string& text, const std::string& implied);
    // The same, or an object of JSON, as management tools write it: {"key": "value", "sub": {...}},
    // whose members are "sub.key" then. Anything else that begins with a brace is a failure.
    [[nodiscard]] static Properties of_option(const std::string& text, const std::string& implied);
    struct Item {
        std::string key, value;
        bool is_taken = false;
    };
    explicit Properties(std::vector<Item> items) : items_{std::move(items)} {}

    [[nodiscard]] bool has(const std::string& key);
    [[nodiscard]] std::string text(const std::string& key, const std::string& fallback = "");
    [[nodiscard]] std::string required(const std::string& key); // and not empty
    [[nodiscard]] bool flag(const std::string& key, bool fallback = false);
    [[nodiscard]] u64 number(const std::string& key, u64 fallback, u64 least, u64 most);
    // All values of a key that may be repeated.
    [[nodiscard]] std::vector<std::string> texts(const std::string& key);
    // Index of the value in a list of names.
    [[nodiscard]] std::size_t
    choice(const std::string& key, const std::vector<std::string>& names, std::size_t fallback);
    void ignore(const std::string& key) { (void)texts(key); }
    // Those whose keys begin with "name.", without that; they are taken here. Once they have been
    // looked at, `absorb` takes over what is wrong with them.
    [[nodiscard]] Properties group(const std::string& name);
    void absorb(const std::string& name, Properties group);

    // All that has been asked for, be it there or not: what an option knows, with QAPI's types.
    struct Known {
        std::string key;
        const char* type;                // "str", "bool" or "int"
        std::vector<std::string> values; // of a text that is one of these
    };
    [[nodiscard]] const std::vector<Known>& known() const { return known_; }

    void fail(const std::string& why);
    // Empty when all went well.
    [[nodiscard]] std::string finish();

  private:
    void note(const std::string& key, const char* type, std::vector<std::string> values = {});

    std::vector<Known> known_;
    std::vector<Item> items_;
    std::string error_;
};

} // namespace ulna::system
