"""What clients of QMP do with nodes, trays and media. Each story gets a way to make machines, and returns what has to be
the same of ours and of the peer's."""

import contextlib
import json
import os
import re
import tempfile


@contextlib.contextmanager
def images(*sizes):
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for n, size in enumerate(sizes):
            paths.append(os.path.join(folder, f"image{n}"))
            with open(paths[-1], "wb") as image:
                image.truncate(size)
        yield paths


def outcome(answer):
    return answer["error"]["class"] if "error" in answer else answer["return"]


def node_of(inserted):
    """Of a node that the user has named; other names are anybody's."""
    name = inserted["node-name"]
    return [None if name.startswith("#") else name, inserted["drv"], inserted["ro"], inserted["cache"], inserted["image"]["virtual-size"],
            os.path.basename(inserted["file"])]


def drives_of(client):
    drives = client.value("query-block")
    return sorted([drive["qdev"], drive["device"], drive["removable"], drive["locked"], drive.get("tray_open"),
                   node_of(drive["inserted"]) if "inserted" in drive else None] for drive in drives)


def nodes_of(client):
    return sorted(map(node_of, client.value("query-named-block-nodes", flat=True)), key=str)


def paragraphs(client, line):
    text = client.value("human-monitor-command", command_line=line).replace("\r", "")
    text = re.sub(r" \(#block\d+\)", "", text)
    text = re.sub(r"/\S*/image", "image", text)
    return sorted(text.strip().split("\n\n"))


def keys(tree):
    if isinstance(tree, dict):
        return {name: keys(value) for name, value in tree.items() if name != "driver-specific"}
    return type(tree).__name__


def uses_nodes(machine):
    with images(1 << 20, 2 << 20) as (one, two):
        disk = {"driver": "virtio-blk-device", "drive": "r", "id": "d", "serial": "a"}
        node = {"driver": "raw", "node-name": "r2", "read-only": True, "file": {"driver": "file", "filename": two, "node-name": "f2"}}
        options = ["-nodefaults", "-blockdev", f"driver=file,node-name=f,filename={one},auto-read-only=on,discard=unmap", "-blockdev",
                   "driver=raw,node-name=r,file=f,cache.direct=off,cache.no-flush=on", "-blockdev", json.dumps(node), "-device", json.dumps(disk),
                   "-device", json.dumps({"driver": "virtio-scsi-device", "id": "s"}), "-device", json.dumps({"driver": "scsi-hd", "drive": "r2", "id": "h"}),
                   "-blockdev", "null-co,node-name=n,size=4096", "-device", "virtio-blk-device,drive=n"]
        with machine("-S", *options) as m:
            c = m.client()
            said = [drives_of(c), nodes_of(c), keys(next(s for s in c.value("query-blockstats") if s["qdev"] == "h")), paragraphs(c, "info block")]
            said.append(sorted([s["device"], s["node-name"], s["qdev"]] for s in c.value("query-blockstats")))
        return said


def adds_and_removes_nodes(machine):
    with images(1 << 20, 2 << 20) as (one, two):
        with machine("-S", "-nodefaults", "-blockdev", f"file,node-name=f,filename={one}") as m:
            c, said = m.client(), []
            for command, arguments in (
                    ("blockdev-add", {"driver": "file", "node_name": "f", "filename": two}),
                    ("blockdev-add", {"driver": "file", "node_name": "g", "filename": "/no/such/file"}),
                    ("blockdev-add", {"driver": "file", "filename": two}),
                    ("blockdev-add", {"driver": "frob", "node_name": "g"}),
                    ("blockdev-add", {"node_name": "g"}),
                    ("blockdev-add", {"driver": "file", "node_name": "g", "filename": two, "frob": 1}),
                    ("blockdev-add", {"driver": "file", "node_name": "#g", "filename": two}),
                    ("blockdev-add", {"driver": "raw", "node_name": "r", "file": "nobody"}),
                    ("blockdev-add", {"driver": "raw", "node_name": "r", "file": "f"}),
                    ("blockdev-del", {"node_name": "f"}),
                    ("blockdev-del", {"node_name": "r"}),
                    ("blockdev-add", {"driver": "raw", "node_name": "r", "file": {"driver": "file", "filename": two}, "read_only": True}),
                    ("blockdev-del", {"node_name": "nobody"}),
                    ("blockdev-del", {"node_name": "f"}),
                    ("blockdev-del", {})):
                said += [command, outcome(c.ask(command, **arguments)), nodes_of(c)]
            said += [outcome(c.ask("blockdev-del", node_name="r")), nodes_of(c)]
        return said


def moves_trays_and_media(machine):
    with images(1 << 20, 2 << 20) as (one, two):
        options = ["-nodefaults", "-device", "virtio-scsi-device", "-device", "scsi-cd,id=empty", "-drive", "if=none,id=cd,media=cdrom",
                   "-device", "scsi-cd,drive=cd,id=c", "-blockdev", "null-co,node-name=n", "-device", "virtio-blk-device,drive=n,id=v",
                   "-blockdev", f"file,node-name=a,filename={one},read-only=on"]
        with machine("-S", *options) as m:
            c, said = m.client(), []
            for command, arguments in (
                    ("blockdev-insert-medium", {"id": "empty", "node_name": "a"}),
                    ("blockdev-open-tray", {"id": "empty"}),
                    ("blockdev-open-tray", {"id": "empty"}),
                    ("blockdev-insert-medium", {"id": "empty", "node_name": "nobody"}),
                    ("blockdev-insert-medium", {"id": "empty", "node_name": "a"}),
                    ("blockdev-insert-medium", {"id": "empty", "node_name": "a"}),
                    ("blockdev-del", {"node_name": "a"}),
                    ("blockdev-close-tray", {"id": "empty"}),
                    ("blockdev-close-tray", {"id": "empty"}),
                    ("blockdev-remove-medium", {"id": "empty"}),
                    ("blockdev-open-tray", {"id": "empty", "force": True}),
                    ("blockdev-remove-medium", {"id": "empty"}),
                    ("blockdev-remove-medium", {"id": "empty"}),
                    ("blockdev-del", {"node_name": "a"}),
                    ("blockdev-change-medium", {"device": "cd", "filename": two, "format": "raw"}),
                    ("blockdev-change-medium", {"id": "c", "filename": "/no/such/file"}),
                    ("blockdev-change-medium", {"id": "c", "filename": one, "format": "raw", "read_only_mode": "read-only"}),
                    ("blockdev-change-medium", {"id": "c", "filename": one, "read_only_mode": "frob"}),
                    ("eject", {"device": "cd"}),
                    ("eject", {"device": "cd"}),
                    ("eject", {"id": "c", "force": True}),
                    ("eject", {"id": "v"}),
                    ("eject", {"id": "nobody"}),
                    ("eject", {}),
                    ("blockdev-open-tray", {"id": "v"}),
                    ("blockdev-close-tray", {"id": "c"})):
                said += [command, outcome(c.ask(command, **arguments)), c.take_events(), drives_of(c)]
            for line in f"change cd {two} raw", "eject cd", f"change cd {one} raw read-only":
                c.value("human-monitor-command", command_line=line)
                said += [line.split()[0], c.take_events(), drives_of(c), paragraphs(c, "info block")]
        return said


# Words and values of nodes, drives and media, in no order.
WORDS = ["a", "b", "c", "cd", "d", "v", "", "raw", "qcow2", "file", "nbd", "null-co", "null-aio", "host_device", "frob", "#block0", "IMAGE",
         "/no/such/file", "/dev/null", "read-only", "retain", "unix", "inet", "on", "ignore", "unmap"]
NAMES = ["driver", "node-name", "file", "filename", "device", "id", "force", "format", "read-only-mode", "read-only", "auto-read-only", "cache",
         "direct", "no-flush", "server", "type", "path", "host", "port", "size", "discard", "backing", "detect-zeroes", "frob"]
COMMANDS = ["blockdev-add"] * 4 + ["blockdev-del", "eject", "blockdev-open-tray", "blockdev-close-tray", "blockdev-remove-medium", "blockdev-insert-medium",
                                   "blockdev-change-medium", "query-block", "query-named-block-nodes", "query-blockstats", "qom-list", "qom-get",
                                   "query-cpu-model-expansion", "device-list-properties", "migrate-set-capabilities"]


def random_value(random, image, depth=0):
    choice = random.randrange(8 if depth < 3 else 5)
    if choice < 3:
        return random.choice(WORDS).replace("IMAGE", image)
    if choice < 5:
        return random.choice([True, False, None, 0, 512, -1, 1 << 40, 1.5])
    if choice == 7:
        return [random_value(random, image, depth + 1) for _ in range(random.randrange(3))]
    return {random.choice(NAMES): random_value(random, image, depth + 1) for _ in range(random.randrange(5))}


def survives_random_commands(machine, random):
    """Ours alone: every command is answered, and what there is can still be told."""
    with images(1 << 20) as (image,):
        options = ["-nodefaults", "-device", "virtio-scsi-device", "-device", "scsi-cd,id=c", "-drive", "if=none,id=cd,media=cdrom", "-device",
                   "scsi-cd,drive=cd,id=d", "-blockdev", "null-co,node-name=n", "-device", "virtio-blk-device,drive=n,id=v"]
        with machine("-S", *options) as m:
            c = m.client()
            done = 0
            for _ in range(3000):
                command = random.choice(COMMANDS)
                arguments = {name: random_value(random, image) for name in random.sample(NAMES, random.randrange(5))}
                for required in {"blockdev-add": ("driver", "node-name"), "blockdev-insert-medium": ("id", "node-name")}.get(command, ()):
                    arguments.setdefault(required, random.choice(WORDS))
                c.send({"execute": command, "arguments": arguments})
                answer = c.receive()
                assert "\n" not in answer.get("error", {}).get("desc", ""), answer
                done += "return" in answer
            assert done > 20, done
            drives_of(c), nodes_of(c)
            assert c.status() == "prelaunch"


STORIES = [uses_nodes, adds_and_removes_nodes, moves_trays_and_media]
