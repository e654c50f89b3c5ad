#include "runtime/system/command_line.h"

#include <ctime>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::system {
namespace {

SystemCommandLine parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "ulna-system");
    return parse_system_command_line(static_cast<int>(arguments.size()), arguments.data());
}
// Without anything to run, but stopped.
SystemOptions accepted(std::vector<const char*> arguments) {
    arguments.push_back("-S");
    SystemCommandLine line = parse(std::move(arguments));
    CHECK(line.message == "");
    return std::move(line.options);
}
std::string refused(const std::vector<const char*>& arguments) {
    const SystemCommandLine line = parse(arguments);
    CHECK(line.exit_status == 1);
    CHECK(line.message.starts_with("ulna-system: "));
    CHECK(std::count(line.message.begin(), line.message.end(), '\n') == 1);
    return line.message.substr(std::min<std::size_t>(13, line.message.size()));
}

TEST_CASE("networks are of several kinds", "[command_line]") {
    using namespace devices::virtio;
    const auto o =
        accepted({"-netdev", "socket,id=a,listen=:1234", "-netdev",
                  "socket,id=b,mcast=230.0.0.1:1234,localaddr=127.0.0.1", "-netdev",
                  "stream,id=c,addr.type=unix,addr.path=/p,reconnect=2", "-netdev",
                  "tap,id=d,ifname=t0,script=no,downscript=no", "-netdev", "tap,id=e,fd=7"});
    CHECK(std::get<StreamNetOptions>(o.networks[0].network).server);
    CHECK(std::get<StreamNetOptions>(o.networks[0].network).place.port == "1234");
    CHECK(std::get<DatagramNetOptions>(o.networks[1].network).remote.host == "230.0.0.1");
    CHECK(std::get<DatagramNetOptions>(o.networks[1].network).local.host == "127.0.0.1");
    CHECK(std::get<StreamNetOptions>(o.networks[2].network).reconnect_ms == 2000);
    CHECK(std::get<TapNetOptions>(o.networks[3].network).name == "t0");
    CHECK(std::get<TapNetOptions>(o.networks[4].network).fd == 7);
}

TEST_CASE("SCSI disks and CD drives find their places", "[command_line]") {
    const auto o = accepted({"-device", "virtio-scsi-pci", "-device", "virtio-scsi-pci,id=two",
                             "-drive", "file=a,if=none,id=a", "-drive", "media=cdrom,if=none,id=c",
                             "-device", "scsi-hd,drive=a,serial=S,wwn=0x5000000000000001",
                             "-device", "scsi-cd,drive=c", "-device", "scsi-cd,bus=two.0,scsi-id=4",
                             "-device", "scsi-cd,bus=two.0,scsi-id=4"});
    CHECK(o.drives[1].read_only);
    const auto check_place = [&](unsigned n, const char* bus, u64 target, u64 unit) {
        CHECK(o.devices[n].bus == bus);
        CHECK(o.devices[n].place.target == target);
        CHECK(o.devices[n].place.unit == unit);
    };
    check_place(2, "scsi.0", 0, 0);
    check_place(3, "scsi.0", 1, 0);
    check_place(4, "two.0", 4, 0);
    check_place(5, "two.0", 4, 1);
    CHECK(o.devices[2].scsi.device_id == "S");
    CHECK(o.devices[2].scsi.wwn == 0x5000'0000'0000'0001);
    CHECK(o.devices[3].scsi.device_id == "c");
}

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

TEST_CASE("flash banks are taken in turn", "[boot]") {
    const SystemOptions o = accepted(
        {"-drive", "if=pflash,file=code.fd,readonly=on", "-drive", "if=pflash,file=vars.fd"});
    REQUIRE(o.drives.size() == 2);
    CHECK(o.drives[0].unit == 0);
    CHECK(o.drives[0].read_only);
    CHECK(o.drives[1].unit == 1);
    CHECK(refused({"-pflash", "a", "-pflash", "b", "-pflash", "c"}) ==
          "-drive if=pflash: there are two banks, unit=0 and unit=1\n");
    CHECK(refused({"-bios", "a", "-pflash", "b"}) ==
          "-bios: the first flash bank has a -drive of its own\n");
    CHECK(accepted({"-bios", "a", "-drive", "if=pflash,unit=1,file=b"}).firmware == "a");
}

TEST_CASE("devices that other processes serve", "[boot]") {
    const SystemOptions o = accepted(
        {"-chardev", "socket,id=a,path=/tmp/a", "-chardev", "socket,id=b,path=/tmp/b", "-device",
         "vhost-user-blk-pci,chardev=a", "-device", "vhost-user-fs-device,chardev=b,tag=host"});
    REQUIRE(o.devices.size() == 2);
    CHECK(o.devices[0].kind == DeviceOption::Kind::VhostBlock);
    CHECK(o.devices[0].pci);
    CHECK(o.devices[1].kind == DeviceOption::Kind::VhostFolder);
    CHECK(o.devices[1].tag == "host");
    CHECK(o.characters.at(1).words == "unix:/tmp/b");
    CHECK(refused({"-device", "vhost-user-blk-device,chardev=x"}) ==
          "-device: chardev=x: no -chardev socket,path= with this id\n");
    CHECK(refused({"-chardev", "socket,id=a,path=/tmp/a,server=on,wait=off", "-device",
                   "vhost-user-blk-device,chardev=a"}) ==
          "-device: chardev=a: no -chardev socket,path= with this id\n");
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

TEST_CASE("consoles, folders and streams", "[boot]") {
    const SystemOptions o = accepted({"-chardev", "file,id=c,path=/tmp/x", "-device",
                                      "virtio-serial-device", "-device", "virtconsole,chardev=c",
                                      "-fsdev", "local,id=f,path=/srv,security_model=mapped-xattr",
                                      "-device", "virtio-9p-pci,fsdev=f,mount_tag=host", "-virtfs",
                                      "local,path=/usr,mount_tag=usr,security_model=none,readonly",
                                      "-device", "virtio-vsock-device,path=/tmp/v,guest-cid=5"});
    REQUIRE(o.devices.size() == 4);
    CHECK(o.devices[0].kind == DeviceOption::Kind::Console);
    CHECK(o.characters.at(0).words == "file:/tmp/x");
    CHECK(o.devices[1].pci);
    CHECK(o.devices[1].tag == "host");
    CHECK(o.folders.at(0).folder.ownership == devices::virtio::Ownership::Mapped);
    CHECK(o.devices[2].folder == o.folders.at(1).id);
    CHECK(o.folders.at(1).folder.read_only);
    CHECK_FALSE(o.devices[2].pci);
    CHECK(o.devices[3].guest_cid == 5);
    CHECK(refused({"-device", "virtio-9p-device,fsdev=f"}) ==
          "-device virtio-9p-device: needs mount_tag=\n");
    CHECK(refused({"-device", "virtio-9p-device,fsdev=f,mount_tag=t"}) ==
          "-device: fsdev=f: no -fsdev with this id\n");
    CHECK(refused({"-device", "virtconsole,chardev=c"}) ==
          "-device: chardev=c: no -chardev with this id\n");
    CHECK(refused({"-virtfs", "local,path=/,mount_tag=t,security_model=passthrough"}) ==
          "-virtfs security_model=passthrough: none, mapped or mapped-xattr\n");
    CHECK(refused({"-chardev", "vc,id=a"}) ==
          "-chardev backend=vc: stdio, null, file, socket or pty\n");
    CHECK(refused({"-chardev", "socket,id=a"}) == "-chardev needs path=\n");
    CHECK(refused({"-chardev", "file,id=a"}) == "-chardev needs path=\n");
    CHECK(accepted({"-chardev", "stdio,id=a"}).serials == std::vector<std::string>{"null"});
    CHECK(refused({"-chardev", "stdio,id=a", "-serial", "stdio"}).starts_with("stdio is used"));
    CHECK(accepted({"-chardev", "stdio,id=a,mux=on", "-serial", "chardev:a"}).serials ==
          std::vector<std::string>{"mon:stdio"});
    CHECK(accepted({"-serial", "unix:/tmp/s,server=on,wait=off"}).serials.front() ==
          "unix:/tmp/s,server=on,wait=off");
    CHECK(accepted({"-chardev", "socket,id=a,host=localhost,port=4444,server=on", "-monitor",
                    "chardev:a"})
              .monitor == "tcp:localhost:4444,server=on");
    CHECK(accepted({"-monitor", "tcp::4444,server,nowait"}).monitor == "tcp::4444,server,nowait");
    CHECK(refused({"-monitor", "chardev:b"}) == "-monitor chardev:b: no -chardev with this id\n");
    CHECK(accepted({"-chardev", "file,id=a,path=/tmp/x", "-mon", "chardev=a,mode=readline"})
              .monitor == "file:/tmp/x");
    CHECK(refused({"-chardev", "null,id=a", "-mon", "chardev=a,mode=frob"}) ==
          "-mon mode=frob: readline or control\n");
    CHECK(accepted({"-action", "reboot=shutdown"}).no_reboot);
    CHECK(accepted({"-action", "shutdown=pause,panic=none"}).no_shutdown);
    CHECK_FALSE(accepted({"-no-reboot", "-action", "reboot=reset"}).no_reboot);
    CHECK(accepted({"-loadvm", "a"}).load_snapshot == "a");
    CHECK(accepted({"-snapshot-dir", "there"}).snapshot_folder == "there");
    CHECK(refused({"-action", "boot=x"}) == "-action boot: no such property\n");
    const DriveOption disc = accepted({"-cdrom", "a,b.iso"}).drives.front();
    CHECK(disc.file == "a,b.iso");
    CHECK(disc.read_only);
    CHECK(accepted({"-hda", "a=b,c"}).drives.front().file == "a=b,c");
    CHECK(refused({"-monitor", "vc"}).starts_with("-monitor vc: "));
    CHECK(refused({"-serial", "chardev:b"}) == "-serial chardev:b: no -chardev with this id\n");
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

TEST_CASE("PCI devices have places", "[boot]") {
    const SystemOptions options =
        accepted({"-S", "-device", "virtio-rng-pci", "-device",
                  "pcie-root-port,id=a,addr=0x1,multifunction=on", "-device",
                  R"({"driver":"pcie-root-port","id":"b","bus":"pcie.0","addr":"0x1.0x1"})",
                  "-device", "virtio-rng-pci,bus=b,addr=0x0", "-device", "virtio-rng-pci",
                  "-device", "virtio-rng-pci,addr=1f"});
    const auto place = [&](std::size_t n) {
        const auto& at = *options.devices[n].pci_place;
        return options.devices[n].pci_port + std::to_string(at.slot) + "." +
               std::to_string(at.function);
    };
    CHECK(place(0) == "2.0");
    CHECK(place(2) == "1.1");
    CHECK(place(3) == "b0.0");
    CHECK(place(4) == "3.0");
    CHECK(place(5) == "31.0");
    const auto wrong = [](const std::string& one, const std::string& other = "virtio-rng-pci") {
        return refused({"-S", "-device", "pcie-root-port,id=a,addr=1", "-device", one.c_str(),
                        "-device", other.c_str()});
    };
    const std::string rng = "virtio-rng-pci,", says = "-device virtio-rng-pci: ";
    CHECK(wrong(rng + "addr=1") == says + "addr=1.0: there is another device\n");
    CHECK(wrong(rng + "addr=0") == says + "addr=0.0: there is another device\n");
    CHECK(wrong(rng + "addr=1.1") ==
          says + "addr=1.1: function 0 of the slot has to be there, with multifunction=on\n");
    CHECK(wrong(rng + "addr=20") == says + "addr=20: such as 0x5 or 0x5.0x1\n");
    CHECK(wrong(rng + "bus=x") ==
          says + "bus=x: no such PCI bus; -device pcie-root-port,id= makes one\n");
    CHECK(wrong(rng + "bus=a", rng + "bus=a") == says + "bus=a: there is another device\n");
    CHECK(wrong(rng + "bus=a,addr=2") == says + "addr=2.0: a root port has one device, at 0\n");
    CHECK(wrong("pcie-root-port,bus=a") ==
          "-device pcie-root-port: bus=a: a root port is on pcie.0\n");
}

TEST_CASE("buses say whether what is on them may come and go", "[boot]") {
    const SystemOptions options =
        accepted({"-S", "-device", "pcie-root-port,id=a,slot=3,port=0x8,chassis=2", "-device",
                  "pcie-root-port,id=b,hotplug=off", "-device", "virtio-scsi-pci,hotplug=off"});
    CHECK(options.devices[0].slot == 3);
    CHECK(options.devices[0].port == 8);
    CHECK(options.devices[0].hot_plug);
    CHECK_FALSE(options.devices[1].hot_plug);
    CHECK_FALSE(options.devices[2].hot_plug);
    CHECK(qom_path(options.devices[1]) == "/machine/peripheral/b");
    CHECK(qom_path(options.devices[2]) == "/machine/peripheral-anon/device[0]");
    CHECK(refused({"-S", "-device", "pcie-root-port,id=a", "-device", "virtio-rng-pci,id=a"}) ==
          "-device virtio-rng-pci: id=a: there is another one\n");
    CHECK(refused({"-S", "-device", "pcie-root-port,chassis=256"}) ==
          "-device pcie-root-port: chassis=256: a number from 0 to 255\n");
}

TEST_CASE("a network and its device in one", "[boot]") {
    const SystemOptions o = accepted({"-nic", "user,hostfwd=tcp::1-:2", "-nic", "none"});
    REQUIRE(o.devices.size() == 1);
    REQUIRE(o.networks.size() == 1);
    CHECK(o.devices[0].network == o.networks[0].id);
}

TEST_CASE("a second serial port is there if it leads somewhere", "[boot]") {
    CHECK(accepted({"-kernel", "k"}).serials == std::vector<std::string>{"mon:stdio"});
    CHECK(accepted({"-kernel", "k", "-serial", "stdio", "-serial", "file:x"}).serials ==
          std::vector<std::string>{"stdio", "file:x"});
    CHECK(accepted({"-kernel", "k", "-chardev", "file,id=c,path=stdio", "-device", "virtio-serial",
                    "-device", "virtconsole,chardev=c"})
              .serials == std::vector<std::string>{"mon:stdio"}); // a file of that name
    CHECK(accepted({"-kernel", "k", "-serial", "none", "-serial", "none"}).serials ==
          std::vector<std::string>{"none"});
    CHECK(refused({"-kernel", "k", "-serial", "stdio", "-serial", "stdio"})
              .starts_with("stdio is used twice"));
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
