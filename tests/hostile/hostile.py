"""Runs ulna on programs that may do anything, and judges how that ended.

A worker has its own session, no user rights when started by root, an empty working directory, and
limits on CPU time, file sizes and processes. What may happen: the program ends, a guest signal ends
it and the crash report says so, or ulna refuses it in one clear line. What may not: an end of ulna
that it does not explain, or a wait that no guest asked for.
"""
import argparse
import ctypes
import os
import random
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time

NOBODY = 65534
FORBIDDEN = (b"internal error", b"Sanitizer", b"runtime error:", b"terminate called")
REPORTED = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP, signal.SIGFPE}


def forbid_harm():
    """Random code must not stop the machine, or signal every process of the user (kill -1)."""
    load, equal, give = 0x20, 0x15, 0x06
    allow, deny = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO | EPERM
    program = [(load, 0, 0, 0), (equal, 4, 0, 169),  # reboot
               (equal, 0, 2, 62),                    # kill
               (load, 0, 0, 16), (equal, 1, 0, 0xFFFFFFFF),
               (give, 0, 0, allow), (give, 0, 0, deny)]
    code = b"".join(struct.pack("<HBBI", *row) for row in program)
    buffer = ctypes.create_string_buffer(code)
    filter_struct = ctypes.create_string_buffer(
        struct.pack("<H6xQ", len(program), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)              # PR_SET_NO_NEW_PRIVS
    libc.prctl(22, 2, filter_struct, 0, 0)  # PR_SET_SECCOMP; without it, the rest has to do


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Outcome:
    def __init__(self, status, stderr, timed_out, cpu):
        self.status, self.stderr, self.timed_out, self.cpu = status, stderr, timed_out, cpu

    def signal(self):
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    def __str__(self):
        if self.timed_out:
            return f"timeout, {self.cpu:.2f} s of CPU time"
        if self.signal():
            return f"signal {signal.Signals(self.signal()).name}"
        return f"exit status {os.waitstatus_to_exitcode(self.status)}"


def run(command, timeout):
    """Everything a mutant does to its standard streams ends in /dev/null or in a pipe."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
               (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
               (os.POSIX_SPAWN_DUP2, writer, 2)]
    pid = os.posix_spawn(command[0], command, {"PATH": "/usr/bin:/bin"}, file_actions=actions, setsid=True)
    os.close(writer)
    resource.prlimit(pid, resource.RLIMIT_CPU, (2, 3))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
    handle = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(reader, select.POLLIN)
    deadline = time.monotonic() + timeout
    text, cpu, timed_out, ended = b"", 0.0, False, False
    while not ended:
        left = deadline - time.monotonic()
        ready = poll.poll(max(left, 0) * 1000)
        if not ready or left <= 0:
            cpu, timed_out, ended = cpu_seconds(pid), True, True
        for fd, events in ready:
            if fd == handle:
                ended = True
            elif events & select.POLLIN:
                text = (text + os.read(reader, 65536))[:1 << 20]
            else:
                poll.unregister(reader)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    _, status = os.waitpid(pid, 0)
    try:
        while chunk := os.read(reader, 65536):
            text += chunk
    except BlockingIOError:
        pass
    os.close(reader)
    os.close(handle)
    return Outcome(status, text, timed_out, cpu)


def judge(outcome, timeout, refusals):
    """What is wrong with this outcome; empty when nothing is. refusals: ulna may refuse the file."""
    for word in FORBIDDEN:
        if word in outcome.stderr:
            return f"standard error has {word.decode()!r}"
    if outcome.timed_out:
        return "it waits and uses no CPU time" if outcome.cpu < timeout * 0.1 else ""
    if outcome.signal() in REPORTED:
        wanted = b": " + signal.Signals(outcome.signal()).name.encode()
        reported = any(line.startswith(b"ulna: ") and wanted in line for line in outcome.stderr.split(b"\n"))
        return "" if reported else "no crash report"
    if refusals and not outcome.signal() and os.waitstatus_to_exitcode(outcome.status) in (1, 126, 127):
        # The guest's dynamic linker has messages, too, and ends with the same status.
        lines = outcome.stderr.split(b"\n")
        if lines == [b""] or (lines[0].startswith(b"ulna: ") and (len(lines) != 2 or lines[1] != b"")):
            return "refused without one clear line"
    return ""


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ulna", required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--only", type=int, help="one case, by its number")
    parser.add_argument("--keep", help="with --only: where to put the program")
    return parser


def work(args, make, extra, folder, numbers, report):
    """One worker: make(random, number) -> (bytes, what was done, arguments of ulna)."""
    path = os.path.join(folder, f"program-{os.getpid()}")
    empty = os.path.join(folder, f"empty-{os.getpid()}")
    os.mkdir(empty)
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o755)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
        os.chown(empty, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.chdir(empty)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft = 4096 if os.getuid() != NOBODY else 256
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, soft))
    forbid_harm()
    totals = {}
    for number in numbers:
        content, description, arguments = make(random.Random(f"{args.seed}:{number}"))
        with open(path, "wb") as file:
            file.write(content)
        outcome = run([os.path.join(folder, "ulna"), *arguments, path], args.timeout)
        problem = judge(outcome, args.timeout, extra["refusals"])
        kind = "timeout" if outcome.timed_out else str(outcome)
        totals[kind] = totals.get(kind, 0) + 1
        if problem or args.only is not None:
            text = outcome.stderr[:2000].decode(errors="replace")
            report(f"case {number} ({description}): {outcome}: {problem or 'fine'}\n{text}\n")
        if problem:
            totals["BAD"] = totals.get("BAD", 0) + 1
    report("".join(f"#{count} {kind}\n" for kind, count in totals.items()))


def main(args, make, refusals):
    folder = tempfile.mkdtemp(prefix="ulna-hostile-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    os.chmod(folder, 0o711)
    totals = {}
    try:
        shutil.copy(args.ulna, os.path.join(folder, "ulna"))
        os.chmod(os.path.join(folder, "ulna"), 0o755)
        if args.only is not None:
            shares = [[args.only]]
            if args.keep:
                with open(args.keep, "wb") as file:
                    file.write(make(random.Random(f"{args.seed}:{args.only}"))[0])
                os.chmod(args.keep, 0o755)
        else:
            shares = [range(worker, args.count, args.workers) for worker in range(args.workers)]
        children = []
        for share in shares:
            reader, writer = os.pipe()
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                try:
                    work(args, make, {"refusals": refusals}, folder, share,
                         lambda text: os.write(writer, text.encode()))
                    os._exit(0)
                except BaseException as error:  # the parent must learn of it, whatever it is
                    os.write(writer, f"worker: {error!r}\n".encode())
                    os._exit(2)
            os.close(writer)
            children.append((pid, os.fdopen(reader, errors="replace")))
        broken = False
        for pid, reader in children:
            for line in reader:
                if line.startswith("#"):
                    count, kind = line[1:].split(" ", 1)
                    totals[kind.strip()] = totals.get(kind.strip(), 0) + int(count)
                else:
                    sys.stdout.write(line)
            broken |= os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for kind, count in sorted(totals.items(), key=lambda item: -item[1]):
        print(f"{count:7} {kind}")
    sys.exit(1 if broken or totals.get("BAD") or not totals else 0)
