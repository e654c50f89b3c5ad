"""What management tools ask before they run machines: libvirt 9's questions, in its order."""

import os
import subprocess
import tempfile
import time

TYPES = """virtio-blk-pci virtio-net-pci virtio-scsi-pci virtio-net-ccw virtio-scsi-ccw scsi-hd ide-hd PIIX4_PM usb-storage kvm-pit VGA
ICH9-LPC virtio-balloon-pci virtio-balloon-ccw virtio-balloon-device nvdimm usb-host vhost-user-fs-device virtio-iommu-pci""".split()
ASKED = [("query-version", {}), ("query-target", {}), ("query-qmp-schema", {}), ("query-commands", {}), ("query-kvm", {}), ("qom-list-types", {}),
         *[("device-list-properties", {"typename": name}) for name in TYPES],
         *[("qom-list-properties", {"typename": name}) for name in ("memory-backend-file", "memory-backend-memfd", "max-arm-cpu",
                                                                  "virt-10.0-machine", "none-machine")],
         ("query-machines", {}), ("query-cpu-definitions", {}), ("query-tpm-models", {}), ("query-tpm-types", {}),
         ("query-command-line-options", {}), ("query-migrate-capabilities", {}), ("query-gic-capabilities", {}),
         ("query-cpu-model-expansion", {"type": "full", "model": {"name": "host"}}),
         ("query-cpu-model-expansion", {"type": "full", "model": {"name": "max"}}),
         ("query-cpu-model-expansion", {"type": "static", "model": {"name": "max"}}),
         ("query-cpus-fast", {}), ("query-memory-size-summary", {}), ("query-pci", {}), ("query-status", {})]

# Its name here, and places that the peer does not have it in.
OURS_ALONE = {"virtio-vsock-device", "virtio-vsock-pci", "virtio-vsock-pci-non-transitional", "vhost-user-blk-device", "vhost-user-fs-pci-non-transitional"}


def names(things):
    return {thing["name"] for thing in things}


def answers(machine):
    with machine("-S", "-nodefaults", "-M", "none", kernel=False) as m:
        c = m.client()
        return [(command, arguments, c.ask(command, **arguments)) for command, arguments in ASKED]


class Schema:
    def __init__(self, entries):
        self.entries = {entry["name"]: entry for entry in entries}
        assert len(self.entries) == len(entries)

    def named(self, kind):
        return {name: entry for name, entry in self.entries.items() if entry["meta-type"] == kind}

    def members(self, name):
        """Of all variants."""
        entry = self.entries[name]
        members = {member["name"]: member for member in entry["members"]}
        for variant in entry.get("variants", []):
            members |= {member["name"]: {**member, "default": None} for member in self.entries[variant["type"]]["members"]}
        return members

    def check_references(self):
        for entry in self.entries.values():
            types = [entry[key] for key in ("arg-type", "ret-type", "element-type") if key in entry]
            if entry["meta-type"] == "object":
                types += [member["type"] for member in entry["members"]] + [variant["type"] for variant in entry.get("variants", [])]
            assert all(name in self.entries for name in types), entry


def compare_schemas(ours, theirs):
    """Ours says nothing that is not so of the peer: its arguments, which of them may be left out, and words."""
    ours, theirs = Schema(ours), Schema(theirs)
    ours.check_references()
    for kind in "command", "event":
        for name, entry in ours.named(kind).items():
            theirs_too = theirs.named(kind)[name]
            mine, peers = ours.members(entry["arg-type"]), theirs.members(theirs_too["arg-type"])
            assert set(mine) <= set(peers), (name, set(mine) - set(peers))
            for argument, member in mine.items():
                if name != "blockdev-add":
                    assert ("default" in member) == ("default" in peers[argument]), (name, argument)
                words = ours.entries[member["type"]].get("values", [])
                assert set(words) <= set(theirs.entries[peers[argument]["type"]].get("values", words)) | {"off", "on"}, (name, argument, words)


def compare(ours, theirs):
    for (command, arguments, answer), (_, _, peers) in zip(ours, theirs):
        where = command, arguments
        typename = arguments.get("typename")
        if typename and "error" in answer and command == "device-list-properties":
            continue  # what there is not here
        assert ("error" in answer) == ("error" in peers), (where, answer, peers)
        if "error" in answer:
            continue
        mine, theirs_too = answer["return"], peers["return"]
        if command == "query-qmp-schema":
            compare_schemas(mine, theirs_too)
        elif command == "qom-list-types":
            assert names(mine) - OURS_ALONE <= names(theirs_too), names(mine) - names(theirs_too)
        elif command == "device-list-properties":
            unknown = names(mine) - names(theirs_too) - {"id", "bus", "addr", "drive", "netdev", "chardev"}
            assert not {name for name in unknown if name in ("serial", "mac", "vendor", "wwn")}, (where, unknown)
        elif command == "query-command-line-options":
            peers_options = {option["option"]: names(option["parameters"]) for option in theirs_too}
            for option in mine:
                assert option["option"] in peers_options, option
        elif command in ("query-pci", "query-status", "query-kvm", "query-target"):
            assert mine == theirs_too, (where, mine, theirs_too)


def describes_what_there_is(ours, theirs):
    mine = answers(ours)
    assert all("return" in answer for command, _, answer in mine if command in ("query-qmp-schema", "qom-list-types", "query-machines"))
    if theirs:
        compare(mine, answers(theirs))


def shows_objects(machine):
    options = ["-nodefaults", "-object", "secret,id=k,data=x", "-object", "memory-backend-ram,id=r,size=128M", "-M", "virt,memory-backend=r",
               "-chardev", "null,id=c", "-device", "virtio-rng-device,id=a", "-device", "virtio-scsi-device", "-device", "scsi-cd,id=d"]
    with machine("-S", *options) as m:
        c = m.client()
        said = [sorted((one["name"], one["type"]) for one in c.value("qom-list", path=path) if one["name"] != "type")
                for path in ("/objects", "/machine/peripheral")]
        for path, name in ("/machine/peripheral/a", "type"), ("/machine", "peripheral"), ("/objects/k", "type"), ("/machine/peripheral/d", "type"):
            said.append(c.value("qom-get", path=path, property=name))
        said += [c.error("qom-list", path="/nobody"), c.error("qom-get", path="/nobody", property="type"), c.error("qom-get", path="/machine", property="frob")]
        said += [c.value("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])]
        said += [one["state"] for one in c.value("query-migrate-capabilities") if one["capability"] == "events"]
        said += [c.error("migrate-set-capabilities", capabilities=[{"capability": "frob", "state": True}])]
        return said


STORIES = [shows_objects]

# Names that QMP has for options, and what has to come before a parameter of theirs.
OPTION_OF = {"boot-opts": "boot", "smp-opts": "smp", "memory": "m"}
BEFORE = {"chardev": "socket,id=c,path=line,", "fw_cfg": "name=opt/x,", "machine": "virt,", "drive": "file=/dev/null,format=raw,if=none,id=d,", "fsdev": "local,id=f,path=/,security_model=none,", "virtfs": "local,mount_tag=t,path=/,security_model=none,", "mon": "chardev=c,"}
OTHER_CHARACTERS = {"host": "socket,id=c,port=1,", "port": "socket,id=c,host=h,", "fd": "socket,id=c,", "signal": "stdio,id=c,", "mux": "stdio,id=c,"}


def refuses_no_parameter(told, run):
    for option in told:
        name = option["option"]
        for parameter in option["parameters"]:
            key = parameter["name"]
            before = OTHER_CHARACTERS.get(key) if name == "chardev" and key in OTHER_CHARACTERS else BEFORE.get(name, "")
            if key in ("type", "backend", "fsdriver"):  # what the others are of
                continue
            words = f"{before}{key}=1"
            refusal = run([f"-{OPTION_OF.get(name, name)}", words]).stderr
            assert f"{key}: no such" not in refusal and "no such option" not in refusal, (name, words, refusal)


def knows_the_options_that_it_tells_of(program, ours):
    """Each parameter of query-command-line-options, as the command line takes it: it may refuse the value, not the name."""
    with ours("-S") as m, tempfile.TemporaryDirectory() as folder:
        told = m.client().value("query-command-line-options")
        refuses_no_parameter(told, lambda words: subprocess.run([program, *words], stdin=subprocess.DEVNULL, cwd=folder, capture_output=True, text=True, timeout=30))


def goes_to_the_background(program, options, client, folder):
    """As libvirt starts what it asks."""
    path, number = os.path.join(folder, "qmp"), os.path.join(folder, "number")
    command = [program, "-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=kvm:tcg", "-qmp",
               f"unix:{path},server=on,wait=off", "-pidfile", number, "-daemonize", *options]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, timeout=30).returncode == 0
    pid = int(open(number).read())
    c = client(path)
    assert c.status() == "prelaunch" and c.value("query-cpus-fast") == []
    c.value("quit")
    deadline = time.monotonic() + 30
    while os.path.exists(number) or os.path.exists(f"/proc/{pid}/exe"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    failed = subprocess.run([*command, "-drive", "file=/no/such/file"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)
    assert failed.returncode == 1 and b"/no/such/file" in failed.stderr and not os.path.exists(number), failed
