"""A disk that firmware boots from: one FAT partition (an EFI system partition)."""

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


def grub_files(grub, append):
    """GRUB where firmware looks for a loader, and its settings where it looks for them."""
    return {"EFI/BOOT/BOOTAA64.EFI": grub.read_bytes(), "EFI/debian/grub.cfg": GRUB_CONFIG.format(append=append).encode()}


def make(image, files):
    """`files`: bytes by their path, at most two folders deep."""
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
    folders = {os.path.dirname(name) for name in files}
    for folder in sorted((folders | {os.path.dirname(folder) for folder in folders}) - {""}):
        mtool("mmd", f"::/{folder}")
    for name, data in files.items():
        mtool("mcopy", "-", f"::/{name}", data=data)
