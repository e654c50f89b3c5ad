#include "tests/system/command_line_parsing.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

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

} // namespace
} // namespace ulna::system
