#include "tests/system/command_line_parsing.h"

#include <ctime>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::system {
namespace {

TEST_CASE("a kernel is enough", "[boot]") {
    const SystemOptions options = accepted({"-kernel", "Image"});
    CHECK(options.kernel == "Image");
    CHECK(options.gic == GicVersion::V3);
    CHECK(options.cpus == 1);
    CHECK(options.ram_bytes == u64{1} << 30);
    CHECK(options.serials == std::vector<std::string>{"mon:stdio"});
    CHECK_FALSE(options.el2);
}

TEST_CASE("a usual command line of QEMU's", "[boot]") {
    const SystemOptions o = accepted({"-M",
                                      "virt,gic-version=2,virtualization=on",
                                      "-machine",
                                      "secure=off",
                                      "-cpu",
                                      "cortex-a72",
                                      "-smp",
                                      "4",
                                      "-m",
                                      "2G",
                                      "-kernel",
                                      "k",
                                      "-initrd",
                                      "i",
                                      "-append",
                                      "console=ttyAMA0 a,b",
                                      "-dtb",
                                      "d",
                                      "-nographic",
                                      "-serial",
                                      "mon:stdio",
                                      "-monitor",
                                      "none",
                                      "-drive",
                                      "file=disk.img,if=none,id=hd0,format=raw,readonly=on",
                                      "-device",
                                      "virtio-blk-device,drive=hd0,serial=abc",
                                      "-netdev",
                                      "user,id=n,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:5-:6",
                                      "-device",
                                      "virtio-net-pci,netdev=n,mac=52:54:00:12:34:56",
                                      "-device",
                                      "virtio-rng-device",
                                      "-drive",
                                      "file=a,,b.img,format=raw",
                                      "-snapshot",
                                      "-no-reboot",
                                      "-semihosting-config",
                                      "enable=on,target=native,arg=x,arg=y",
                                      "-no-shutdown",
                                      "-rtc",
                                      "base=1970-01-01",
                                      "-d",
                                      "in_asm,int",
                                      "-D",
                                      "log",
                                      "-s",
                                      "-S",
                                      "-seed",
                                      "5"});
    CHECK(o.gic == GicVersion::V2);
    CHECK(o.el2);
    CHECK(o.cpu == "cortex-a72");
    CHECK(o.cpus == 4);
    CHECK(o.ram_bytes == u64{2} << 30);
    CHECK(o.command_line == "console=ttyAMA0 a,b");
    REQUIRE(o.drives.size() == 2);
    CHECK(o.drives[0].interface == DriveOption::Interface::None);
    CHECK(o.drives[0].read_only);
    CHECK(o.drives[1].interface == DriveOption::Interface::Virtio);
    CHECK(o.drives[1].file == "a,b.img");
    REQUIRE(o.devices.size() == 3);
    CHECK(o.devices[0].serial == "abc");
    CHECK(o.devices[1].mac == std::array<u8, 6>{0x52, 0x54, 0, 0x12, 0x34, 0x56});
    CHECK(o.devices[2].kind == DeviceOption::Kind::Rng);
    REQUIRE(o.networks.size() == 1);
    const auto& user = std::get<devices::virtio::UserNetOptions>(o.networks[0].network);
    REQUIRE(user.forwards.size() == 2);
    CHECK(user.forwards[0].guest_port == 22);
    CHECK(o.snapshot);
    CHECK(o.no_reboot);
    CHECK(o.semihosting.enabled);
    CHECK(o.semihosting.arguments == std::vector<std::string>{"x", "y"});
    CHECK(o.no_shutdown);
    CHECK(o.clock_start_s == 0);
    CHECK(o.gdb == "tcp::1234");
    CHECK(o.start_stopped);
    CHECK(o.seed == 5);
    CHECK(o.log_items != 0);
}

TEST_CASE("sizes and counts in all their forms", "[boot]") {
    CHECK(accepted({"-m", "512"}).ram_bytes == 512 << 20);
    CHECK(accepted({"-m", "size=3g,slots=2,maxmem=8g"}).ram_bytes == u64{3} << 30);
    CHECK(accepted({"-smp", "cpus=2,maxcpus=4"}).cpus == 2);
    CHECK(accepted({"-smp", "sockets=1,cores=4,threads=2"}).cpus == 8);
    CHECK(refused({"-m", "1M"}).starts_with("-m 1M: "));
    CHECK(refused({"-m", "99999999999999999999G"}).starts_with("-m "));
    CHECK(refused({"-m", "17179869184G"}).starts_with("-m "));
    CHECK(refused({"-smp", "0"}) == "-smp cpus=0: a number from 1 to 64\n");
    CHECK(refused({"-smp", "65"}).starts_with("-smp "));
    CHECK(refused({"-smp", "4,maxcpus=2"}) == "-smp 4: 1 to 2 CPUs\n");
    CHECK(refused({"-smp", "9", "-M", "virt,gic-version=2"}) ==
          "-smp 9: GICv2 has at most 8 CPUs; -machine gic-version=3\n");
}

TEST_CASE("-smp says how CPUs are grouped, and what it does not say follows", "[boot]") {
    const auto grouped = [](const char* smp) {
        const SystemOptions o = accepted({"-smp", smp});
        return std::array{o.cpus, o.topology.sockets, o.topology.clusters, o.topology.cores,
                          o.topology.threads};
    };
    using Numbers = std::array<unsigned, 5>;
    CHECK(grouped("4") == Numbers{4, 1, 1, 4, 1});
    CHECK(grouped("4,sockets=2") == Numbers{4, 2, 1, 2, 1});
    CHECK(grouped("6,cores=2") == Numbers{6, 3, 1, 2, 1});
    CHECK(grouped("6,threads=2") == Numbers{6, 1, 1, 3, 2});
    CHECK(grouped("8,clusters=2") == Numbers{8, 1, 2, 4, 1});
    CHECK(grouped("8,sockets=2,cores=2") == Numbers{8, 2, 1, 2, 2});
    CHECK(grouped("sockets=2,cores=2,threads=2") == Numbers{8, 2, 1, 2, 2});
    CHECK(grouped("2,maxcpus=8,sockets=2") == Numbers{2, 2, 1, 4, 1});
    CHECK(accepted({"-smp", "8,clusters=1"}).topology.has_clusters);
    CHECK_FALSE(accepted({"-smp", "8"}).topology.has_clusters);
    CHECK(refused({"-smp", "3,sockets=2"}) ==
          "-smp 2 sockets of 1 clusters of 1 cores of 1 threads are not 3 CPUs\n");
    CHECK(refused({"-smp", "4,sockets=8"}).ends_with("are not 4 CPUs\n"));
    CHECK(refused({"-smp", "sockets=64,cores=64"}) == "-smp 4096: 1 to 64 CPUs\n");
}

TEST_CASE("what is loaded beside the kernel", "[boot]") {
    const SystemOptions o =
        accepted({"-device", "loader,file=/tmp/x,addr=0x48000000,force-raw=on", "-device",
                  "loader,addr=0x40001000,data=0x1122334455,data-len=4,data-be=on", "-device",
                  "loader,addr=0x48000000,cpu-num=0"});
    REQUIRE(o.load_items.size() == 3);
    CHECK(o.load_items[0].file == "/tmp/x");
    CHECK(o.load_items[0].raw);
    CHECK(o.load_items[0].address == 0x4800'0000);
    CHECK_FALSE(o.load_items[0].starts);
    CHECK(o.load_items[1].data == std::vector<u8>{0x22, 0x33, 0x44, 0x55});
    CHECK_FALSE(o.load_items[1].starts);
    CHECK(o.load_items[2].starts);
    CHECK(o.devices.empty());
    CHECK(refused({"-device", "loader"}) == "-device loader: file= or addr= is needed\n");
    CHECK(refused({"-device", "loader,addr=1,data=1"}) ==
          "-device loader: data= goes with data-len=, and without file=\n");
    CHECK(refused({"-device", "loader,file=x,cpu-num=1"}) ==
          "-device loader: cpu-num: only CPU 0 can be told where it starts\n");
}

TEST_CASE("-qmp and -mon mode=control say where clients are", "[boot]") {
    const SystemOptions o =
        accepted({"-qmp", "unix:/tmp/q,server=on,wait=off", "-chardev", "socket,id=m,path=/tmp/m",
                  "-mon", "m,mode=control", "-chardev", "null,id=n", "-mon",
                  "chardev=n,mode=readline", "-qmp", "tcp:localhost:1,server", "-qmp", "none"});
    CHECK(o.qmp == std::vector<std::string>{"unix:/tmp/q,server=on,wait=off", "unix:/tmp/m",
                                            "tcp:localhost:1,server"});
    CHECK(o.monitor == "null");
    std::vector<std::string> names;
    for (const CharacterOption& line : o.lines) {
        names.push_back(line.id);
    }
    CHECK(names ==
          std::vector<std::string>{"n", "compat_monitor1", "m", "compat_monitor3", "serial0"});
    CHECK(accepted({"-qmp", "stdio"}).serials == std::vector<std::string>{"null"});
    CHECK(refused({"-qmp", "stdio", "-serial", "mon:stdio"}).starts_with("stdio is used twice"));
    CHECK(refused({"-qmp", "chardev:a"}) == "-qmp chardev:a: no -chardev with this id\n");
    CHECK(refused({"-qmp", "vc"}).starts_with("-qmp vc: stdio, mon:stdio, "));
    CHECK(refused({"-mon", "mode=control"}) == "-mon needs chardev=\n");
    CHECK(accepted({"-name", "guest=a,,b,debug-threads=on"}).name == "a,b");
    CHECK(accepted({"-name", "a"}).name == "a");
}

TEST_CASE("what management tools say", "[boot]") {
    const SystemOptions options = accepted(
        {"-name",
         "guest=a,debug-threads=on",
         "-S",
         "-object",
         R"({"qom-type":"secret","id":"k","format":"raw","file":"/dev/null"})",
         "-machine",
         "virt-10.0,usb=off,gic-version=3,dump-guest-core=off,memory-backend=mach-virt.ram",
         "-accel",
         "tcg",
         "-m",
         "512",
         "-object",
         R"({"qom-type":"memory-backend-ram","id":"mach-virt.ram","size":536870912})",
         "-overcommit",
         "mem-lock=off",
         "-no-user-config",
         "-nodefaults",
         "-chardev",
         "socket,id=m,fd=28,server=on,wait=off",
         "-mon",
         "chardev=m,id=monitor,mode=control",
         "-no-shutdown",
         "-no-acpi",
         "-boot",
         "strict=on",
         "-device",
         R"({"driver":"virtio-scsi-device","id":"scsi0"})",
         "-blockdev",
         R"({"driver":"file","filename":"/a","node-name":"s","auto-read-only":true,"discard":"unmap"})",
         "-blockdev",
         R"({"node-name":"f","read-only":false,"driver":"raw","file":"s"})",
         "-device",
         R"({"driver":"virtio-blk-device","drive":"f","id":"d","bootindex":1})",
         "-device",
         "scsi-cd,bus=scsi0.0,channel=0,scsi-id=0,lun=0,device_id=x,id=c",
         "-netdev",
         R"({"type":"user","id":"n","hostfwd":[{"str":"tcp::2222-:22"}]})",
         "-device",
         "virtio-net-device,netdev=n",
         "-chardev",
         "pty,id=s0",
         "-serial",
         "chardev:s0",
         "-audiodev",
         R"({"id":"audio1","driver":"none"})",
         "-msg",
         "timestamp=on"});
    CHECK(options.qmp == std::vector<std::string>{"fd:28,server=on,wait=off"});
    CHECK(options.serials == std::vector<std::string>{"pty#s0"});
    CHECK(!options.acpi);
    CHECK(options.nodes.size() == 2);
    CHECK(options.nodes[1].child == "s");
    CHECK(options.objects[1].bytes == 512 << 20);
    CHECK(std::get<devices::virtio::UserNetOptions>(options.networks[0].network).forwards.size() ==
          1);
    CHECK(accepted({"-nodefaults", "-S"}).serials == std::vector<std::string>{"null"});
    CHECK(
        !accepted({"-machine", "none,accel=kvm:tcg", "-nodefaults", "-daemonize", "-pidfile", "/p"})
             .has_board);
}

TEST_CASE("what management tools may not say", "[boot]") {
    CHECK(refused({"-machine", "virt,accel=kvm"}) == "-machine accel=kvm: there is tcg\n");
    CHECK(refused({"-machine", "none", "-kernel", "k"}) ==
          "-machine none: it has nothing that could run, and no devices\n");
    CHECK(refused({"-S", "-machine", "virt,memory-backend=m"}) ==
          "-machine memory-backend=m: no -object memory-backend-ram with this id\n");
    CHECK(refused({"-S", "-machine", "virt,memory-backend=m", "-object",
                   "memory-backend-ram,id=m,size=1M"}) ==
          "-machine memory-backend=m: it has 1 MiB, and -m says 1024\n");
    CHECK(refused({"-object", "secret,id=k,file=/no/such/file"}) ==
          "-object secret: file=/no/such/file: cannot be read\n");
    CHECK(refused({"-object", "memory-backend-epc,id=m"}) ==
          "-object memory-backend-epc: needs size=\n");
    CHECK(refused({"-object", "iothread,id=m"}) == "-object iothread: no such object\n");
    CHECK(refused({"-S", "-sandbox", "on,spawn=deny"}) ==
          "-sandbox on,spawn=deny: the program's system calls are not filtered; off\n");
    CHECK(refused({"-audiodev", "alsa,id=a"}) == "-audiodev driver=alsa: none\n");
    CHECK(
        refused({"-S", "-daemonize", "-serial", "stdio"}).starts_with("-daemonize: stdio is left"));
    CHECK(refused({"-blockdev", "file,filename=a"}) == "-blockdev needs node-name=\n");
    CHECK(refused({"-blockdev", "{\"driver\":"}) ==
          "-blockdev '{\"driver\":': no object of JSON\n");
    CHECK(refused({"-device", "{\"driver\": \"virtio-blk-pci\"}"}) ==
          "-device virtio-blk-pci: needs drive=\n");
    CHECK(refused({"-S", "-blockdev", "file,filename=a,node-name=a", "-device",
                   "virtio-blk-pci,drive=a", "-device", "virtio-blk-pci,drive=a"}) ==
          "-device: drive=a is used twice\n");
}

TEST_CASE("-smbios and -uuid", "[boot]") {
    const SystemOptions o = accepted(
        {"-kernel", "k", "-uuid", "00112233-4455-6677-8899-aabbCCddeeff", "-smbios",
         "type=1,serial=ds=nocloud;s=http://10.0.2.2/", "-smbios", "type=11,value=a,value=b",
         "-smbios", "type=11,value=c", "-smbios", "type=0,release=1.20"});
    CHECK(o.smbios.system.uuid[1] == 0x11);
    CHECK(o.smbios.system.uuid[12] == 0xcc);
    CHECK(o.smbios.system.serial == "ds=nocloud;s=http://10.0.2.2/");
    CHECK(o.smbios.oem_strings == std::vector<std::string>{"a", "b", "c"});
    REQUIRE(o.smbios.bios.has_value());
    CHECK(o.smbios.bios->minor == 20);
    CHECK_FALSE(o.smbios.board.has_value());
    for (const char* const uuid :
         {"0011", "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899aabbccddeeff--",
          "00112233+4455-6677-8899-aabbccddeeff", ""}) {
        CHECK(refused({"-uuid", uuid}) ==
              std::string("-uuid ") + uuid + ": such as 33db4d5b-1ff7-401c-9657-7441c03dd766\n");
    }
    CHECK(refused({"-smbios", "type=9"}) == "-smbios type=: 0, 1, 2, 3, 4, 11 or 17\n");
    CHECK(refused({"-smbios", "type=1,asset=a"}) == "-smbios asset: no such property\n");
    for (const char* const release : {"1", "1.", ".2", "1.2.3", "1.256", "256.1", "-1.2", ""}) {
        const std::string option = std::string("release=") + release;
        CHECK(refused({"-smbios", ("type=0," + option).c_str()}) ==
              "-smbios " + option + ": such as 1.2, each up to 255\n");
    }
    CHECK(refused({"-smbios", "type=4,max-speed=70000"}).starts_with("-smbios max-speed=70000: "));
}

TEST_CASE("ACPI tables are offered unless they are not wanted", "[boot]") {
    CHECK(accepted({"-kernel", "k"}).acpi);
    CHECK(accepted({"-kernel", "k", "-M", "virt,acpi=on"}).acpi);
    CHECK(accepted({"-kernel", "k", "-M", "virt,acpi=auto"}).acpi);
    const SystemOptions o =
        accepted({"-kernel", "k", "-M", "virt,acpi=off", "-M", "x-oem-id=Mine"});
    CHECK_FALSE(o.acpi);
    CHECK(o.acpi_identity.oem == "Mine");
    CHECK(refused({"-M", "virt,acpi=maybe"}) == "-machine acpi=maybe: off, on or auto\n");
    CHECK(refused({"-M", "virt,x-oem-table-id=123456789"}) ==
          "-machine x-oem-table-id=123456789: up to 8 characters\n");
}

TEST_CASE("what is not understood is an error of one line", "[boot]") {
    CHECK(refused({}) ==
          "nothing to run: -kernel, -bios or -drive if=pflash; -help lists all options\n");
    CHECK(parse({"-M", "virt,dumpdtb=x"}).message == "");
    CHECK(refused({"-frobnicate"}) == "-frobnicate: no such option; -help lists them\n");
    CHECK(refused({"disk.img"}) == "disk.img: not an option (a disk is -drive file=...)\n");
    CHECK(refused({"-kernel"}) == "-kernel: needs an argument (file)\n");
    CHECK(refused({"-M", "vexpress"}) ==
          "-machine vexpress: no such machine; there are virt and none\n");
    CHECK(parse({"-M", "virt,mte=on"}).options.tags);
    CHECK_FALSE(parse({"-M", "virt,mte=off"}).options.tags);
    CHECK(refused({"-M", "virt,mte=on", "-cpu", "cortex-a72"}) ==
          "-machine mte=on: -cpu cortex-a72 has no memory tagging\n");
    CHECK(refused({"-M", "virt,gic-version=4"}) == "-machine gic-version=4: 2, 3 or max\n");
    CHECK(refused({"-M", "virt,virtualization=maybe"}) ==
          "-machine virtualization=maybe: on or off\n");
    CHECK(refused({"-M", "virt,foo=1"}) == "-machine foo: no such property\n");
    CHECK(refused({"-cpu", "i486"}).starts_with("-cpu "));
    CHECK(refused({"-drive", "if=none"}) == "-drive needs file=\n");
    CHECK(refused({"-drive", "file=a,if=ide"}) == "-drive if=ide: virtio, pflash or none\n");
    CHECK(refused({"-drive", "file=a,format=vdi"}) == "-drive format=vdi: auto, raw or qcow2\n");
    CHECK(refused({"-pflash", "a,format=qcow2"}) == "-drive format=qcow2: flash is raw\n");
    CHECK(accepted({"-drive", "file=a,format=qcow2"}).drives[0].format ==
          devices::virtio::BlockFormat::Qcow2);
    CHECK(refused({"-device", "e1000"}) ==
          "-device e1000: no such device; there are virtio-blk-device, virtio-net-device, "
          "virtio-rng-device, virtio-balloon-device, virtio-scsi-device, scsi-hd, scsi-cd, "
          "virtconsole, virtio-9p-device, "
          "virtio-vsock-device, "
          "vhost-user-blk-device, vhost-user-fs-device, pcie-root-port\n");
    CHECK(refused({"-device", "scsi-cd"}) ==
          "-device scsi-cd: no SCSI bus; -device virtio-scsi-pci makes one\n");
    CHECK(refused({"-device", "virtio-scsi-pci,id=a", "-device", "scsi-cd,bus=b.0"}) ==
          "-device scsi-cd: bus=b.0: no such SCSI bus\n");
    CHECK(refused({"-device", "virtio-scsi-pci", "-device", "scsi-cd,scsi-id=1,lun=2", "-device",
                   "scsi-cd,scsi-id=1,lun=2"}) ==
          "-device scsi-cd: the place on bus scsi.0 is taken\n");
    CHECK(refused({"-device", "virtio-scsi-pci", "-drive", "media=cdrom,if=none,id=c", "-device",
                   "scsi-hd,drive=c"}) ==
          "-device: drive=c: no -drive with this id and if=none, nor -blockdev\n");
    CHECK(refused({"-device", "{\"drive\":\"x\"}"}) == "-device needs driver=\n");
    CHECK(refused({"-device", "virtio-blk-device,drive=x"}) ==
          "-device: drive=x: no -drive with this id and if=none, nor -blockdev\n");
    CHECK(refused({"-device", "virtio-net-device,netdev=x"}) ==
          "-device: netdev=x: no -netdev with this id\n");
    CHECK(refused({"-device", "virtio-net-device,netdev=x,mac=01:00:00:00:00:00"})
              .starts_with("-device virtio-net-device: mac="));
    CHECK(refused({"-device", "virtio-net-device,netdev=x,mac=5:54:00:12:34:567"})
              .starts_with("-device virtio-net-device: mac="));
    CHECK(refused({"-netdev", "bridge,id=a"}) ==
          "-netdev type=bridge: user, socket, stream, dgram or tap\n");
    CHECK(refused({"-netdev", "tap,id=a"}) ==
          "-netdev needs script=no: no program is run to set the interface up\n");
    CHECK(refused({"-netdev", "socket,id=a"}) ==
          "-netdev needs listen=, connect=, mcast=, udp= or fd=\n");
    CHECK(refused({"-netdev", "socket,id=a,connect=x"}) ==
          "-netdev connect=x: such as 127.0.0.1:1234\n");
    CHECK(refused({"-netdev", "stream,id=a,addr.type=unix"}) == "-netdev needs addr.path=\n");
    CHECK(refused({"-netdev", "stream,id=a,addr.host=h,addr.port=1,reconnect=1"}) ==
          "-netdev reconnect is for clients with addr.type=unix\n");
    CHECK(refused(
              {"-netdev", "dgram,id=a,remote.host=h,remote.port=1,local.type=unix,local.path=p"}) ==
          "-netdev local.type= and remote.type= are to be the same\n");
    CHECK(refused({"-netdev", "user,id=a,hostfwd=22"}) ==
          "-netdev hostfwd=22: such as tcp::2222-:22\n");
    CHECK(refused({"-netdev", "user,id=a", "-netdev", "user,id=a"}) ==
          "-netdev id=a: there is another one\n");
    CHECK(refused({"-nic", "user,id=a", "-device", "virtio-net-device,netdev=a"}) ==
          "-device: netdev=a is used twice\n");
    CHECK(refused({"-serial", "telnet:x"}).starts_with("-serial telnet:x: "));
    CHECK(refused({"-serial", "stdio", "-monitor", "stdio"}).starts_with("stdio is used twice"));
    CHECK(refused({"-accel", "kvm"}) == "-accel accel=kvm: tcg\n");
    CHECK(refused({"-gdb", "udp::1234"}) == "-gdb udp::1234: such as tcp::1234 or unix:path\n");
    CHECK(refused({"-d", "frob"}) == "-d frob: no such log item; -d help lists them\n");
    CHECK(refused({"-icount", "shift=11"}).starts_with("-icount shift=11: "));
    CHECK(refused({"-icount", "fast"}).starts_with("-icount shift=fast: "));
    CHECK(refused({"-icount", "1,sleep=maybe"}).starts_with("-icount sleep=maybe: "));
    CHECK(refused({"-icount", "1,align=on"}) ==
          "-icount align=on: the guest is not held back to the host's clock\n");
    CHECK(refused({"-icount", "1,rr=record,rrfile=a"}).starts_with("-icount rr: runs are not "));
    CHECK(refused({"-icount", "1,rrfile=a"}).starts_with("-icount rrfile: runs are not recorded"));
    CHECK(refused({"-icount", "1,frob=2"}).starts_with("-icount frob"));
    CHECK(refused({"-icount", "1", "-rtc", "clock=host"}) ==
          "-rtc clock=host: with -icount all time is the machine's; clock=vm\n");
    CHECK(refused({"-rtc", "base=noon"}).starts_with("-rtc noon: utc, localtime, "));
    CHECK(refused({"-serial", "null", "-serial", "null", "-serial", "null"}) ==
          "-serial: there are two serial ports\n");
    CHECK(refused({"-append", "a"}) == "-append: only with -kernel\n");
    CHECK(refused({"-fw_cfg", "name=opt/x"}) == "-fw_cfg needs either string= or file=\n");
    CHECK(refused({"--tier0=qemu"}) == "--tier0=qemu: on or off\n");
    CHECK(accepted({}).tier2 == runtime::TierTwo::Server);
    CHECK(accepted({"--tier2=twice"}).tier2 == runtime::TierTwo::Twice);
    CHECK(refused({"--tier2=on"}) == "--tier2=on: off, server, sync or twice\n");
    CHECK(refused({"--tier2=sync", "-icount", "0", "-S"}) ==
          "--tier2: with -icount the compile server's time would be seen; server or off\n");
    CHECK(refused({"--engine=qemu"}) == "--engine=qemu: jit or interp\n");
    std::vector<std::string> disks(33, "file=a");
    std::vector<const char*> many;
    for (const std::string& disk : disks) {
        many.insert(many.end(), {"-drive", disk.c_str()});
    }
    CHECK(refused(many) == "more virtio devices than the machine's 32 slots\n");
}

TEST_CASE("-icount says how long an instruction takes, and makes runs equal", "[boot]") {
    const auto without = accepted({"-kernel", "k"});
    CHECK_FALSE(without.instruction_time);
    CHECK_FALSE(without.seed);
    CHECK_FALSE(without.clock_start_s);
    const auto number = accepted({"-kernel", "k", "-icount", "3"});
    REQUIRE(number.instruction_time);
    CHECK(number.instruction_time->shift == 3);
    CHECK(number.instruction_time->sleeps);
    CHECK(number.seed == 0);
    CHECK(number.clock_start_s);
    const auto automatic = accepted({"-kernel", "k", "-icount", "shift=auto,align=off,sleep=off"});
    CHECK(automatic.instruction_time->shift == InstructionTime::kAutomaticShift);
    CHECK_FALSE(automatic.instruction_time->sleeps);
    // What the user says stays.
    const auto chosen = accepted(
        {"-kernel", "k", "-rtc", "base=utc,clock=vm", "-seed", "5", "-icount", "shift=0,sleep=on"});
    CHECK(chosen.instruction_time->shift == 0);
    CHECK(chosen.seed == 5);
    CHECK_FALSE(chosen.clock_start_s);
}

TEST_CASE("random words are understood or refused with a line", "[boot]") {
    const char* const words[] = {"-M",        "-machine",   "-cpu",
                                 "-smp",      "-m",         "-kernel",
                                 "-drive",    "-device",    "-netdev",
                                 "-nic",      "-fsdev",     "-virtfs",
                                 "-chardev",  "-serial",    "-icount",
                                 "-d",        "-gdb",       "-seed",
                                 "-dfilter",  "-fw_cfg",    "-accel",
                                 "virt",      "virt,,",     "max",
                                 "4",         "1G",         "",
                                 ",",         "=",          "a=b",
                                 "file=",     "file=a",     "id=a",
                                 "user",      "user,id=a",  "if=pflash",
                                 "unit=9",    "-1",         "0x",
                                 "cpus=",     "=,=,=",      "local",
                                 "hostfwd=:", "stdio",      "chardev:",
                                 "chardev:a", "stdio,id=a", "-qmp",
                                 "-mon",      "-name",      "a,mode=control",
                                 "x"};
    u64 random = test::seed(11);
    const auto next = [&random] {
        random = random * 6364136223846793005 + 1442695040888963407;
        return random >> 33;
    };
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::string> all;
        for (u64 n = 1 + next() % 6; n != 0; --n) {
            std::string word = words[next() % std::size(words)];
            while (next() % 3 == 0) {
                word += std::string(",") + words[next() % std::size(words)];
            }
            all.push_back(word);
        }
        std::vector<const char*> arguments;
        for (const std::string& word : all) {
            arguments.push_back(word.c_str());
        }
        const SystemCommandLine line = parse(arguments);
        REQUIRE(line.exit_status.has_value() == !line.message.empty());
        REQUIRE((line.exit_status != 1 || line.message.starts_with("ulna-system: ")));
    }
}

TEST_CASE("questions are answered with status 0", "[boot]") {
    for (const char* const option : {"-help", "-version", "--help"}) {
        CHECK(parse({option}).exit_status == 0);
    }
    CHECK(parse({"-cpu", "help"}).message.find("cortex-a57") != std::string::npos);
    CHECK(parse({"-M", "help"}).message.find("gic-version") != std::string::npos);
    CHECK(parse({"-device", "help"}).message.find("virtio-blk-device") != std::string::npos);
    CHECK(parse({"-d", "help"}).message.find("in_asm") != std::string::npos);
    CHECK(parse({"-version"}).message.starts_with("ulna-system "));
}

} // namespace
} // namespace ulna::system
