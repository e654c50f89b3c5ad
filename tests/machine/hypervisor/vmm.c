// A virtual machine monitor: runs a bare-metal program at EL1 under KVM, its UART's output on
// standard output.
//   vmm CPUS GIC PROGRAM      GIC: 2 or 3
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kUart = 0x9000000, kGic = 0x8000000, kGicCpu = 0x8010000, kRedistributors = 0x80a0000 };
enum { kRamBase = 0x40000000, kRamBytes = 0x20000000, kMostCpus = 4 };

static int kvm, machine;
static char* ram;

static int ask(int file, unsigned long request, const void* argument, const char* what) {
    const int result = ioctl(file, request, argument);
    if (result < 0) {
        err(1, "%s", what);
    }
    return result;
}

static uint64_t load(const char* path) {
    FILE* const file = fopen(path, "rb");
    if (file == NULL) {
        err(1, "%s", path);
    }
    static char image[1 << 20];
    const size_t bytes = fread(image, 1, sizeof image, file);
    fclose(file);
    const Elf64_Ehdr* const header = (const Elf64_Ehdr*)image;
    const Elf64_Phdr* const segments = (const Elf64_Phdr*)(image + header->e_phoff);
    if (bytes == sizeof image || bytes < sizeof *header) {
        errx(1, "%s: not a program of at most 1 MiB", path);
    }
    for (unsigned i = 0; i < header->e_phnum; ++i) {
        const Elf64_Phdr* const segment = &segments[i];
        if (segment->p_type == PT_LOAD) { // zeros are written, too, so that all is there to write
            char* const at = ram + (segment->p_paddr - kRamBase);
            memcpy(at, image + segment->p_offset, segment->p_filesz);
            memset(at + segment->p_filesz, 0, segment->p_memsz - segment->p_filesz);
        }
    }
    return header->e_entry;
}

// --- the interrupt controller

static void set_gic(int device, uint32_t group, uint64_t attribute, uint64_t value) {
    const struct kvm_device_attr attr = {.group = group, .attr = attribute, .addr = (uint64_t)&value};
    ask(device, KVM_SET_DEVICE_ATTR, &attr, "KVM_SET_DEVICE_ATTR");
}

static void make_gic(unsigned version) {
    struct kvm_create_device device = {
        .type = version == 2 ? KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3};
    ask(machine, KVM_CREATE_DEVICE, &device, "KVM_CREATE_DEVICE");
    const int gic = (int)device.fd;
    set_gic(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 288); // as the machine's own
    if (version == 2) {
        set_gic(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_DIST, kGic);
        set_gic(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_CPU, kGicCpu);
    } else {
        set_gic(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, kGic);
        set_gic(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, kRedistributors);
    }
    set_gic(gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0);
}

// --- CPUs

struct Cpu {
    int file;
    struct kvm_run* run;
    pthread_t thread;
};

static int has(unsigned long capability) {
    return ioctl(machine, KVM_CHECK_EXTENSION, capability) > 0;
}

static void make_cpu(struct Cpu* cpu, unsigned long number, uint64_t entry) {
    cpu->file = ioctl(machine, KVM_CREATE_VCPU, number);
    if (cpu->file < 0) {
        err(1, "KVM_CREATE_VCPU");
    }
    struct kvm_vcpu_init init;
    ask(machine, KVM_ARM_PREFERRED_TARGET, &init, "KVM_ARM_PREFERRED_TARGET");
    init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
    init.features[0] |= (number != 0) << KVM_ARM_VCPU_POWER_OFF;
    if (has(KVM_CAP_ARM_PTRAUTH_ADDRESS) && has(KVM_CAP_ARM_PTRAUTH_GENERIC)) {
        init.features[0] |= 1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
    }
    ask(cpu->file, KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
    const struct kvm_one_reg pc = {.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                                         KVM_REG_ARM_CORE_REG(regs.pc),
                                   .addr = (uint64_t)&entry};
    ask(cpu->file, KVM_SET_ONE_REG, &pc, "KVM_SET_ONE_REG");
    const int bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    cpu->run = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->file, 0);
    if (cpu->run == MAP_FAILED) {
        err(1, "mmap");
    }
}

static void answer_access(struct kvm_run* run) {
    if (!run->mmio.is_write) {
        memset(run->mmio.data, 0, sizeof run->mmio.data); // a UART that is always ready
    } else if (run->mmio.phys_addr == kUart) {
        putchar(run->mmio.data[0]);
    }
}

static void* run_cpu(void* argument) {
    struct Cpu* const cpu = argument;
    for (;;) {
        ask(cpu->file, KVM_RUN, NULL, "KVM_RUN");
        switch (cpu->run->exit_reason) {
        case KVM_EXIT_MMIO:
            answer_access(cpu->run);
            break;
        case KVM_EXIT_SYSTEM_EVENT: // PSCI SYSTEM_OFF
            exit(0);
        default:
            errx(1, "exit reason %u", cpu->run->exit_reason);
        }
    }
}

int main(int argc, char** argv) {
    const unsigned cpus = argc == 4 ? (unsigned)atoi(argv[1]) : 0;
    if (cpus == 0 || cpus > kMostCpus) {
        errx(2, "usage: vmm CPUS GIC PROGRAM");
    }
    kvm = open("/dev/kvm", O_RDWR);
    if (kvm < 0) {
        err(1, "/dev/kvm");
    }
    machine = ioctl(kvm, KVM_CREATE_VM, 0);
    ram = mmap(NULL, kRamBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct kvm_userspace_memory_region memory = {
        .guest_phys_addr = kRamBase, .memory_size = kRamBytes, .userspace_addr = (uint64_t)ram};
    ask(machine, KVM_SET_USER_MEMORY_REGION, &memory, "KVM_SET_USER_MEMORY_REGION");
    const uint64_t entry = load(argv[3]);
    static struct Cpu all[kMostCpus];
    for (unsigned i = 0; i < cpus; ++i) {
        make_cpu(&all[i], i, entry);
    }
    make_gic((unsigned)atoi(argv[2]));
    for (unsigned i = 0; i < cpus; ++i) {
        if (pthread_create(&all[i].thread, NULL, run_cpu, &all[i]) != 0) {
            errx(1, "cannot make a thread");
        }
    }
    for (;;) {
        pause();
    }
}
