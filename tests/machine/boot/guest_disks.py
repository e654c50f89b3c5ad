"""Images for the guests of boots, and what they have to have in the end."""

import os
import shutil
import subprocess
import sys

SKIP = 77


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


class Disk:
    """A small ext4 image with files in it, and what the guest wrote."""

    def __init__(self, work):
        if shutil.which("mke2fs", path="/usr/sbin:/sbin:" + os.environ["PATH"]) is None:
            skip("mke2fs is not installed (e2fsprogs)")
        self.image, files = work / "disk", work / "files"
        files.mkdir()
        (files / "hello").write_text("from the host\n")
        (files / "noise").write_bytes(os.urandom(1 << 20))
        self.noise = files / "noise"
        self.run("mke2fs", "-q", "-t", "ext4", "-d", files, self.image, "16M")

    def run(self, program, *arguments):
        env = {**os.environ, "PATH": "/usr/sbin:/sbin:" + os.environ["PATH"]}
        return subprocess.run([program, *arguments], check=True, capture_output=True, text=True, env=env).stdout

    def options(self):
        return ["-drive", f"file={self.image},format=raw,if=none,id=d", "-device", "virtio-blk-device,drive=d"]

    def check(self):
        self.run("e2fsck", "-fn", self.image)
        written = self.run("debugfs", "-R", "cat /sum", self.image).strip()
        wanted = subprocess.run(["sha256sum", self.noise], check=True, capture_output=True, text=True).stdout[:64]
        return None if written == wanted else f"the guest wrote {written!r} instead of {wanted!r}"


class PortDisk(Disk):
    """The same behind a PCIe root port, which shares its slot with another."""

    def options(self):
        return ["-device", "pcie-root-port,id=one,addr=0x3,multifunction=on", "-device",
                '{"driver": "pcie-root-port", "id": "two", "bus": "pcie.0", "addr": "0x3.0x1"}', "-blockdev",
                f"driver=file,node-name=f,filename={self.image}", "-blockdev", "driver=raw,node-name=d,file=f", "-device",
                "virtio-blk-pci,drive=d,bus=two,addr=0x0", "-device", "virtio-rng-pci,bus=one"]


class HotDisk(Disk):
    """A node that no device has yet, ports to plug it into, and a SCSI bus."""

    def options(self):
        ports = ["-snapshot-dir", self.image.parent]
        ports += [word for name in ("one", "two", "three") for word in ("-device", f"pcie-root-port,id={name},chassis={ord(name[1])},slot=1")]
        return ["-blockdev", f"driver=file,node-name=f,filename={self.image},read-only=on", "-blockdev", "driver=raw,node-name=d,file=f,read-only=on",
                *ports, "-device", "virtio-scsi-pci,id=s,bus=three"]

    def check(self):
        return None


class ScsiDisk(Disk):
    """The same on a SCSI bus, with a CD beside it, another that takes its place, and a drive without one."""

    def __init__(self, work):
        super().__init__(work)
        self.cd, files = work / "cd", work / "cd-files"
        files.mkdir()
        for image, text, size in (self.cd, "from a CD", "8M"), (work / "another-cd", "from another CD", "12M"):
            (files / "hello").write_text(text + "\n")
            self.run("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", files, image, size)

    def options(self):
        return ["-drive", f"file={self.image},format=raw,if=none,id=d", "-device", "virtio-scsi-pci,id=one",
                "-device", "scsi-hd,drive=d,bus=one.0,scsi-id=2,lun=1,serial=abc", "-device", "virtio-scsi-device",
                "-drive", f"file={self.cd},format=raw,if=none,id=c,media=cdrom", "-device", "scsi-cd,drive=c,bus=one.0",
                "-device", "scsi-cd,id=empty,bus=scsi.0"]


class KeptDisk:
    """An image that -snapshot leaves as it is, though the guest sees over a reset what it wrote."""

    def __init__(self, work):
        self.image, self.bytes = work / "disk", bytes(1 << 20)
        self.image.write_bytes(self.bytes)

    def options(self):
        return ["-snapshot", "-drive", f"file={self.image},format=raw,if=virtio"]

    def check(self):
        return None if self.image.read_bytes() == self.bytes else "-snapshot wrote to the disk"


class SecondSerial:
    """A file with what the guest wrote to its second serial port."""

    def __init__(self, work):
        self.image = work / "serial"

    def options(self):
        return ["-serial", f"file:{self.image}"]

    def check(self):
        written = self.image.read_bytes()
        return None if written == b"hello\r\n" else f"the second serial port had {written!r}"
