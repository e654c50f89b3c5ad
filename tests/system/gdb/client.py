"""A client of gdb's remote protocol, and a machine that it connects to."""

import os
import select
import socket
import subprocess
import tempfile
import time


def connect(to, path, seconds=20):
    """Waits for somebody to listen there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return to.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Client:
    """One connection. `ask` sends a packet and returns the answer; `wait` returns a stop reply."""

    def __init__(self, path, acknowledges=False):
        self.socket = socket.socket(socket.AF_UNIX)
        connect(self.socket, path)
        self.buffer = b""
        self.acknowledges = True
        if not acknowledges:
            assert self.ask("QStartNoAckMode") == "OK"
            self.acknowledges = False

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        data = b"".join(b"}" + bytes([c ^ 0x20]) if c in b"$#}*" else bytes([c]) for c in data)
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 255))

    def receive(self, timeout=20):
        while True:
            start = self.buffer.find(b"$")
            end = self.buffer.find(b"#", start)
            if start >= 0 and end >= 0 and len(self.buffer) >= end + 3:
                data = self.buffer[start + 1 : end]
                assert int(self.buffer[end + 1 : end + 3], 16) == sum(data) & 255
                self.buffer = self.buffer[end + 3 :]
                if self.acknowledges:
                    self.socket.sendall(b"+")
                return data.decode("latin-1")
            if not select.select([self.socket], [], [], timeout)[0]:
                raise TimeoutError("no answer")
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the other side hung up")
            self.buffer += more

    def ask(self, data):
        self.send(data)
        return self.receive()

    def resume(self, action="c"):
        self.send("vCont;" + action)

    def run(self, action="c"):
        self.resume(action)
        return self.receive()

    def interrupt(self):
        self.socket.sendall(b"\x03")
        return self.receive()

    def is_running(self, seconds=0.3):
        return not select.select([self.socket], [], [], seconds)[0]

    def register(self, n):
        return int.from_bytes(bytes.fromhex(self.ask(f"p{n:x}")), "little")

    def set_register(self, n, value, size=8):
        return self.ask(f"P{n:x}=" + value.to_bytes(size, "little").hex())

    def memory(self, address, count):
        answer = self.ask(f"m{address:x},{count:x}")
        return None if answer.startswith("E") else bytes.fromhex(answer)

    def quad(self, address):
        return int.from_bytes(self.memory(address, 8), "little")

    def monitor(self, line):
        text = self.ask("qRcmd," + line.encode().hex())
        return "" if text == "OK" else bytes.fromhex(text).decode()


class Machine:
    def __init__(self, program, kernel, *options, keys=False):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "gdb")
        command = [program, "-kernel", kernel, "-m", "128", "-S", "-snapshot-dir", self.folder.name]
        command += [] if "-serial" in options else ["-serial", "null"]
        command += ["-gdb", "unix:" + self.path, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE if keys else subprocess.DEVNULL, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


def symbols(program):
    lines = subprocess.run(["aarch64-linux-gnu-nm", "--defined-only", program], capture_output=True, text=True, check=True)
    return {name: int(value, 16) for value, _, name in (line.split() for line in lines.stdout.splitlines())}
