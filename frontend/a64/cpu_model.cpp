// CPU models: cpu_models.def with the ID registers and HWCAPs that follow from the features. ID
// registers hold what Linux shows to EL0: fields that it hides have its safe values (arch/arm64
// cpufeature.c's meaning).
#include <algorithm>
#include <array>

#include "frontend/frontend.h"

namespace ulna::frontend {

namespace {

// --- What shows a feature

struct IdField {
    Feature feature;
    u64 CpuModel::*reg;
    unsigned lsb;
    u64 value;
};
struct Hwcap {
    Feature feature;
    unsigned word, bit;
    const char* text;
};

namespace id {
constexpr auto pfr0 = &CpuModel::id_aa64pfr0_el1, pfr1 = &CpuModel::id_aa64pfr1_el1,
               isar0 = &CpuModel::id_aa64isar0_el1, isar1 = &CpuModel::id_aa64isar1_el1,
               isar2 = &CpuModel::id_aa64isar2_el1, mmfr1 = &CpuModel::id_aa64mmfr1_el1,
               mmfr2 = &CpuModel::id_aa64mmfr2_el1;
}

constexpr IdField kIdFields[] = {
#define FEATURE(name, status)
#define ID_FIELD(name, reg, lsb, value) {Feature::name, id::reg, lsb, value},
#define HWCAP(name, word, bit, text)
#include "frontend/a64/features.def"
#undef ID_FIELD
#undef HWCAP
};
constexpr Hwcap kHwcaps[] = {
#define ID_FIELD(name, reg, lsb, value)
#define HWCAP(name, word, bit, text) {Feature::name, word, bit, text},
#include "frontend/a64/features.def"
#undef FEATURE
#undef ID_FIELD
#undef HWCAP
};
constexpr const char* kFeatureNames[] = {
#define FEATURE(name, status) #name,
#define ID_FIELD(name, reg, lsb, value)
#define HWCAP(name, word, bit, text)
#include "frontend/a64/features.def"
#undef FEATURE
#undef ID_FIELD
#undef HWCAP
};

constexpr unsigned kHwcapCpuid = 11; // the kernel emulates MRS of ID registers

// Pointer authentication has exactly one algorithm; the cheap one unless another is asked for.
constexpr FeatureSet kPauthAlgorithms{Feature::PAuth_impdef, Feature::PAuth_QARMA5,
                                      Feature::PAuth_QARMA3};
constexpr void choose_pauth_algorithm(FeatureSet& features, Feature algorithm) {
    for (const Feature each :
         {Feature::PAuth_impdef, Feature::PAuth_QARMA5, Feature::PAuth_QARMA3}) {
        features.set(each, each == algorithm && features.has(Feature::PAuth));
    }
}

constexpr CpuModel
make_model(const char* name, const char* description, u64 midr, u64 ctr, FeatureSet features) {
    CpuModel model;
    model.name = name;
    model.description = description;
    model.features = features & FeatureSet::all();
    if ((model.features & kPauthAlgorithms) == kPauthAlgorithms) { // a model of everything
        choose_pauth_algorithm(model.features, Feature::PAuth_impdef);
    }
    model.midr_el1 = midr;
    model.ctr_el0 = ctr;
    model.dczid_el0 = 4;                  // BS: DC ZVA zeroes 2^4 words
    model.id_aa64pfr0_el1 = 0x11;         // EL0, EL1: AArch64 only
    model.id_aa64mmfr0_el1 = 0xff00'0000; // TGran4, TGran64: hidden
    model.id_aa64dfr0_el1 = 6;            // DebugVer: Armv8
    model.hwcap = u64{1} << kHwcapCpuid;
    for (const IdField& field : kIdFields) {
        u64& reg = model.*field.reg;
        const u64 mask = u64{0xf} << field.lsb;
        if (model.features.has(field.feature) && (reg & mask) < field.value << field.lsb) {
            reg = (reg & ~mask) | field.value << field.lsb;
        }
    }
    for (const Hwcap& cap : kHwcaps) {
        if (model.features.has(cap.feature)) {
            (cap.word == 1 ? model.hwcap : model.hwcap2) |= u64{1} << cap.bit;
        }
    }
    return model;
}

// --- The models

using enum Feature;
constexpr FeatureSet kArmv8_0{Base, FP, AdvSIMD, CRC32, AES, PMULL, SHA1, SHA256};
constexpr FeatureSet kArmv8_2 = kArmv8_0 | FeatureSet{LSE, RDM, LOR, DPB, FP16, DotProd, LRCPC};
constexpr FeatureSet kNeoverseN1 = kArmv8_2 | FeatureSet{SSBS};

constexpr CpuModel kModels[] = {
#define CPU(name, description, midr, ctr, features)                                                \
    make_model(name, description, midr, ctr, features),
#include "frontend/a64/cpu_models.def"
#undef CPU
};

std::string lower(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c == '_' ? '-' : c);
    });
    return result;
}

constexpr bool always_present(Feature feature) {
    return feature == Base || feature == FP || feature == AdvSIMD;
}

std::optional<Feature> find_feature(std::string_view name) {
    for (unsigned i = 0; i < kFeatureCount; ++i) {
        const auto feature = static_cast<Feature>(i);
        if (lower(kFeatureNames[i]) == name && FeatureSet::all().has(feature)) {
            return feature;
        }
    }
    return std::nullopt;
}

} // namespace

const CpuModel& default_cpu() { return kModels[0]; }

std::span<const CpuModel> cpu_models() { return kModels; }

std::string feature_names(FeatureSet features) {
    std::string result;
    for (unsigned i = 1; i < kFeatureCount; ++i) { // without Base
        if (features.has(static_cast<Feature>(i))) {
            result += std::string{" "} + kFeatureNames[i];
        }
    }
    return result;
}

std::optional<CpuModel> parse_cpu(std::string_view text, std::string& why_not) {
    const std::string_view name = text.substr(0, text.find(','));
    const auto model =
        std::ranges::find_if(kModels, [&](const CpuModel& m) { return name == m.name; });
    if (model == std::end(kModels)) {
        why_not = std::string{name} + ": no such CPU";
        return std::nullopt;
    }
    FeatureSet features = model->features;
    for (std::size_t at = name.size(); at < text.size();) {
        const std::size_t end = std::min(text.find(',', at + 1), text.size());
        const std::string_view item = text.substr(at + 1, end - at - 1);
        at = end;
        const std::size_t equals = item.find('=');
        const std::string_view state = equals == item.npos ? "on" : item.substr(equals + 1);
        const auto feature = find_feature(item.substr(0, equals));
        if (!feature || always_present(*feature) || (state != "on" && state != "off")) {
            why_not = std::string{item} + ": not a feature with =on or =off";
            return std::nullopt;
        }
        const bool on = state == "on";
        if (kPauthAlgorithms.has(*feature)) {
            // Without our own algorithm it is the architecture's first, as in QEMU.
            const Feature other =
                *feature == Feature::PAuth_impdef ? Feature::PAuth_QARMA5 : Feature::PAuth_impdef;
            choose_pauth_algorithm(features, on ? *feature : other);
            continue;
        }
        features.set(*feature, on);
        if (*feature == Feature::PAuth) {
            choose_pauth_algorithm(features, Feature::PAuth_impdef);
        }
    }
    return make_model(model->name, model->description, model->midr_el1, model->ctr_el0, features);
}

CpuModel without(const CpuModel& cpu, std::initializer_list<Feature> absent) {
    FeatureSet features = cpu.features;
    for (const Feature feature : absent) {
        features.set(feature, false);
    }
    return make_model(cpu.name, cpu.description, cpu.midr_el1, cpu.ctr_el0, features);
}

std::string cpuinfo_features(const CpuModel& cpu) {
    std::array<const char*, 128> names{};
    for (const Hwcap& cap : kHwcaps) {
        if (cpu.features.has(cap.feature)) {
            names[(cap.word - 1) * 64 + cap.bit] = cap.text;
        }
    }
    names[kHwcapCpuid] = "cpuid";
    std::string result;
    for (const char* name : names) {
        if (name != nullptr) {
            result += ' ';
            result += name;
        }
    }
    return result;
}

} // namespace ulna::frontend
