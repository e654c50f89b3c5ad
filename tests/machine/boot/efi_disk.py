"""A disk that firmware boots from: one FAT partition (an EFI system partition) with GRUB, a kernel and its RAM disk."""

import os
import shutil
import struct
import subprocess

SECTOR = 512
START = 2048  # the partition's first sector
EFI_SYSTEM = 0xEF

GRUB_CONFIG = """set timeout=0
menuentry Debian {{
    linux /vmlinuz {append}
    initrd /initrd
}}
"""


def missing():
    """Why no disk can be made, or None."""
    return None if shutil.which("mformat") and shutil.which("mcopy") else "mtools is not installed"


def master_boot_record(sectors):
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", EFI_SYSTEM, b"\xfe\xff\xff", START, sectors)
    return bytes(446) + entry + bytes(3 * 16) + b"\x55\xaa"


def make(image, kernel, initrd, append, grub):
    """GRUB, if any, where firmware looks for a loader and where it looks for its own settings."""
    files = {"vmlinuz": kernel.read_bytes(), "initrd": initrd}
    if grub:
        files["EFI/BOOT/BOOTAA64.EFI"] = grub.read_bytes()
        files["EFI/debian/grub.cfg"] = GRUB_CONFIG.format(append=append).encode()
    room = 16 << 20  # for the file system itself, and so that it is no FAT12
    sectors = (sum(map(len, files.values())) + room) // SECTOR
    with open(image, "wb") as disk:
        disk.write(master_boot_record(sectors))
        disk.truncate((START + sectors) * SECTOR)
    partition = f"{image}@@{START * SECTOR}"

    def mtool(program, *arguments, data=None):
        subprocess.run([program, "-i", partition, *arguments], input=data, check=True, capture_output=True,
                       env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})

    mtool("mformat", "-F", "-T", str(sectors), "::")
    for folder in sorted({os.path.dirname(name) for name in files} - {""} | ({"EFI"} if grub else set())):
        mtool("mmd", f"::/{folder}")
    for name, data in files.items():
        mtool("mcopy", "-", f"::/{name}", data=data)
