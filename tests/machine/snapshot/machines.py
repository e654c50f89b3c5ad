"""A machine with a monitor on a socket, and a guest on its standard streams."""

import os
import select
import socket
import subprocess
import time

PROMPT = b"(ulna) "


def connect(path, process, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.002)


class Machine:
    def __init__(self, command, folder):
        place = folder / f"monitor-{time.monotonic_ns()}"
        command = [*command, "-snapshot-dir", folder, "-display", "none", "-serial", "stdio",
                   "-monitor", f"unix:{place},server=on,wait=off"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text = self.all = b""  # of the guest: what nobody has read, and everything
        self.monitor = connect(str(place), self.process)
        self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    # --- the monitor

    def answer(self):
        text = b""
        while not text.endswith(PROMPT):
            if not select.select([self.monitor], [], [], 60)[0]:
                raise TimeoutError(f"the monitor said {text!r}")
            more = self.monitor.recv(65536)
            if not more:
                raise EOFError("the monitor hung up")
            text += more
        return text[: -len(PROMPT)].decode().replace("\r", "")

    def ask(self, command):
        """What the monitor prints, without the echo of the command."""
        self.monitor.sendall(command.encode() + b"\n")
        return self.answer().split("\n", 1)[1]

    # --- the guest

    def type(self, keys):
        self.process.stdin.write(keys.encode())
        self.process.stdin.flush()

    def read_more(self, timeout):
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            raise TimeoutError(f"the guest is silent after {self.all[-300:]!r}")
        more = os.read(self.process.stdout.fileno(), 65536)
        if not more:
            raise EOFError(f"the guest has ended after {self.all[-300:]!r}")
        self.text += more
        self.all += more

    def read_until(self, pattern, timeout=20):
        """The guest's text up to what the pattern finds."""
        while not (found := pattern.search(self.text)):
            self.read_more(timeout)
        text, self.text = self.text[: found.end()], self.text[found.end() :]
        return text.decode(errors="replace")

    def skip(self):
        """Forgets what the guest has said so far."""
        while select.select([self.process.stdout], [], [], 0)[0]:
            if not os.read(self.process.stdout.fileno(), 65536):
                break
        self.text = b""
