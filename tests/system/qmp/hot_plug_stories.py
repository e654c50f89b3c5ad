"""What comes to machines and goes from them while they run, by QMP. Each story gets a way to make machines, and returns
what has to be the same of ours and of the peer's. Slots that nobody has switched on let go at once: what a guest has to
do with them, boots of Linux show (tests/machine/boot)."""

import json
import os
import socket

from block_stories import drives_of, images, outcome

PORTS = ["-nodefaults", "-device", "pcie-root-port,id=one,chassis=1,slot=1", "-device", "pcie-root-port,id=two,chassis=2,slot=2", "-device",
         "pcie-root-port,id=fixed,chassis=3,slot=3,hotplug=off", "-device", "virtio-rng-pci,id=old,bus=fixed"]


def devices_of(client):
    return sorted(one["name"] for one in client.value("qom-list", path="/machine/peripheral") if one["name"] != "type")


def deleted(client, device):
    """All events up to that of this one."""
    events = client.event("DEVICE_DELETED")
    while ["DEVICE_DELETED", {"device": device, "path": "/machine/peripheral/" + device}] not in events:
        events += client.event("DEVICE_DELETED")
    return events


def plugs_devices_in(machine):
    with machine("-S", *PORTS) as m:
        c, said = m.client(), []
        for bus in "one", "two":
            said.append(c.ask("device_add", driver="virtio-rng-pci", id=bus + "r", bus=bus))
        said += [devices_of(c), c.ask("device_del", id="oner"), deleted(c, "oner"), devices_of(c)]
        said += [c.ask("device_add", driver="virtio-rng-pci", id="oner", bus="one", addr="0x0"), devices_of(c)]
        return said


def refuses_devices(machine):
    """With the same words."""
    with machine("-S", *PORTS) as m:
        c, said = m.client(), []
        said.append(c.ask("device_add", driver="virtio-rng-pci", id="r", bus="one"))
        for wrong in ({"driver": "virtio-rng-pci"}, {"driver": "virtio-rng-pci", "bus": "pcie.0"}, {"driver": "virtio-rng-pci", "bus": "fixed"},
                      {"driver": "virtio-rng-pci", "bus": "one"}, {"driver": "virtio-rng-pci", "bus": "none"}, {"driver": "nonsense", "bus": "two"},
                      {"driver": "virtio-rng-pci", "bus": "two", "id": "r"}, {"driver": "pcie-root-port", "id": "p"}):
            said += [wrong, c.ask("device_add", **wrong)]
        for wrong in ({"driver": "virtio-blk-pci", "bus": "two"}, {"driver": "virtio-blk-pci", "bus": "two", "drive": "none"},
                      {"driver": "virtio-net-pci", "bus": "two", "netdev": "none"}, {"driver": "virtio-rng-pci", "bus": "two", "frob": 1},
                      {"driver": "virtio-rng-device"}, {"driver": "scsi-hd", "drive": "none"}, {"driver": "virtio-rng-pci", "bus": "two", "addr": "x"}):
            said += [wrong, c.error("device_add", **wrong)]
        for wrong in "none", "old", "one":
            said += [wrong, c.ask("device_del", id=wrong)]
        return said + [c.error("device_add"), c.error("device_del"), devices_of(c)]


def plugs_disks_in(machine):
    with images(1 << 20) as (image,):
        with machine("-S", *PORTS, "-device", "virtio-scsi-pci,id=s,bus=pcie.0,addr=0x8") as m:
            c, said = m.client(), []
            add = lambda: c.ask("blockdev-add", driver="raw", node_name="n", file={"driver": "file", "filename": image})
            said += [add(), c.ask("device_add", driver="virtio-blk-pci", id="d", bus="one", drive="n"), drives_of(c)]
            said += [c.error("device_add", driver="scsi-hd", id="h", bus="s.0", drive="n"), c.error("blockdev-del", node_name="n")]
            said += [c.ask("device_del", id="d"), deleted(c, "d")]
            said += [drives_of(c), c.ask("device_add", driver="scsi-hd", id="h", bus="s.0", drive="n", lun=3), drives_of(c)]
            said += [c.error("device_add", driver="scsi-cd", id="c", bus="s.0", scsi_id=0, lun=3), c.ask("device_add", driver="scsi-cd", id="c", bus="s.0")]
            said += [c.ask("device_del", id="h"), deleted(c, "h"), c.ask("blockdev-del", node_name="n")]
            said += [c.ask("device_del", id="c"), deleted(c, "c"), drives_of(c), devices_of(c)]
            return said


def plugs_back_ends_in(machine):
    with images(1 << 20) as (image,):
        with machine("-S", *PORTS) as m:
            c, said = m.client(), []
            for name, add, remove in (
                    ("netdev", [{"type": "user", "id": "n"}, {"type": "user", "id": "n"}, {"type": "frob", "id": "m"}, {"type": "user"}], ("n", "n")),
                    ("object", [{"qom_type": "rng-builtin", "id": "o"}, {"qom_type": "rng-builtin", "id": "o"}, {"qom_type": "frob", "id": "p"},
                                {"qom_type": "memory-backend-ram", "id": "ram", "size": 1 << 20}, {"qom_type": "secret", "id": "s", "data": "a"}], ("o", "o", "ram")),
                    ("chardev", [{"id": "c", "backend": {"type": "null", "data": {}}}, {"id": "c", "backend": {"type": "null", "data": {}}}, {"id": "e", "backend": {"type": "frob"}},
                                 {"id": "f", "backend": {"type": "file", "data": {"out": os.path.join(os.path.dirname(image), "out")}}}], ("c", "c"))):
                dash = "_" if name == "netdev" else "-"
                said += [outcome(c.ask(f"{name}{dash}add", **arguments)) for arguments in add]
                said += [one["name"] for one in c.value("qom-list", path="/objects") if not one["name"].startswith("mach-virt")]
                said.append(sorted(one["label"] for one in c.value("query-chardev") if one["label"] in "cef"))
                said += [outcome(c.ask(f"{name}{'-remove' if name == 'chardev' else dash + 'del'}", id=one)) for one in remove]
            said += [c.ask("netdev_add", type="user", id="n"), c.ask("device_add", driver="virtio-net-pci", id="d", bus="one", netdev="n")]
            said += [c.ask("set_link", name=name, up=up) for name, up in (("n", False), ("d", True), ("d", True), ("none", True))]
            said += [c.ask("device_del", id="d"), deleted(c, "d"), c.ask("netdev_del", id="n"), c.error("set_link", name="d", up=True)]
            said += [c.ask("object-add", qom_type="rng-builtin", id="o"), c.ask("device_add", driver="virtio-rng-pci", id="r", bus="one", rng="o")]
            said += [c.ask("device_del", id="r"), deleted(c, "r"), c.ask("object-del", id="o")]
            line = lambda text: c.value("human-monitor-command", command_line=text).replace("\r", "")
            said += [line(f"drive_add 0 if=none,id=d,file={image},format=raw"), c.ask("device_add", driver="virtio-blk-pci", id="b", bus="two", drive="d")]
            said += [drives_of(c), c.ask("device_del", id="b"), deleted(c, "b"), drives_of(c), line("drive_add 0 if=none,id=d,file=" + image), line("drive_del d")]
            return said


def takes_descriptors(machine):
    with machine("-S", *PORTS) as m:
        c, (ours, its) = m.client(), socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        pass_it = lambda command, name: socket.send_fds(c.socket, [json.dumps({"execute": command, "arguments": {"fdname": name}}).encode()], [its.fileno()])
        said = [c.ask("getfd", fdname="n"), c.ask("closefd", fdname="n")]
        pass_it("getfd", "n")
        said += [c.receive(), c.ask("closefd", fdname="n"), c.ask("closefd", fdname="n")]
        pass_it("getfd", "5")
        said.append(c.receive()["error"]["class"])
        pass_it("getfd", "m")
        said += [c.receive(), c.error("netdev_add", type="socket", id="s", fd="none"), c.ask("netdev_add", type="socket", id="s", fd="m")]
        said += [c.ask("device_add", driver="virtio-net-pci", id="d", bus="one", netdev="s"), c.ask("device_del", id="d"), deleted(c, "d")]
        said += [c.ask("device_add", driver="virtio-net-pci", id="d", bus="one", netdev="s"), c.ask("device_del", id="d"), deleted(c, "d")]
        said += [c.ask("netdev_del", id="s"), its.close(), ours.settimeout(10), ours.recv(1)]
        return said


def saves_what_was_plugged_in(machine):
    """Of ours alone: snapshots fit machines with the same devices."""
    with images(1 << 20) as (image,):
        options = ["-S", *PORTS, "-device", "virtio-scsi-pci,id=s,bus=two", "-blockdev", f"driver=file,node-name=f,filename={image},read-only=on",
                   "-snapshot-dir"]
        with machine(*options, "FOLDER") as m:
            c = m.client()
            line = lambda text: c.value("human-monitor-command", command_line=text).replace("\r", "")
            assert line("savevm before") == "" and line("device_add virtio-rng-pci,id=r,bus=one") == ""
            assert line("device_add scsi-hd,id=h,drive=f,bus=s.0") == ""
            assert "virtio-pci" in line("loadvm before"), line("loadvm before")
            assert line("savevm with") == "" and line("loadvm with") == ""
            c.value("system_reset")
            assert devices_of(c) == ["fixed", "h", "old", "one", "r", "s", "two"] and line("savevm reset") == ""
            assert line("device_del h") == "" and "0:0" in line("loadvm with"), line("loadvm with")
            assert line("device_add scsi-hd,id=h,drive=f,bus=s.0") == "" and line("loadvm with") == ""
            with machine(*options, m.folder.name, "-device", "virtio-rng-pci,id=r,bus=one", "-device", "scsi-hd,id=h,drive=f") as other:
                c = other.client()
                assert line("loadvm with") == "" and line("loadvm reset") == ""


STORIES = [plugs_devices_in, refuses_devices, plugs_disks_in, plugs_back_ends_in, takes_descriptors]
