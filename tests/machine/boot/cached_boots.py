"""Boots with the persistent translation cache: the second must find what the first one translated, and nothing that is done to the cache's files may matter."""
import os
import re
import signal
import stat

FOUND, MADE = "blocks found in the persistent cache", "blocks translated"


def count(console, name):
    return int(re.search(rf"^{name} +(\d+)\s*$", console.text, re.M)[1])


def share_found(console):
    found = count(console, FOUND)
    return found / (found + count(console, MADE))


def messages(console):
    """What kernel and guest say, without time stamps (wider from 10 s on), other numbers (addresses that differ from boot to boot), and the statistics."""
    text = console.text.split("\nblocks translated")[0]
    lines = [re.sub(r"^\[ *[0-9]+\.[0-9]+\] ", "", line.strip()) for line in text.splitlines()]
    return {re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "N", line) for line in lines}


def difference(first, second):
    """Lines that only one boot has; a few depend on time, such as those of calibrations."""
    apart = messages(first) ^ messages(second)
    return f"the boots say different things: {sorted(apart)}" if len(apart) > len(messages(first)) // 20 else None


def damage(path):
    content = bytearray(path.read_bytes())
    for at in range(200, len(content), 1000):  # behind the headers, which would take all with them
        content[at] ^= 0x10
    path.write_bytes(content)


def check(boot, judge, work):
    """boot(options...) gives a console, judge(console) what is wrong with it. What is wrong, and the last console."""
    os.environ.pop("ULNA_NO_CACHE", None)
    cache = work / "cache"
    options = ["--cache-dir", str(cache), "--stats"]
    seen = []

    def run(what, least, most, *more):
        console = boot(*options, *more)
        seen.append(console)
        wrong = judge(console)
        if not wrong and not least <= share_found(console) <= most:
            wrong = f"{share_found(console):.0%} of the blocks were found"
        if not wrong and len(seen) > 1:
            wrong = difference(seen[0], console)
        return wrong and f"{what}: {wrong}"

    def files():
        return list(cache.glob("*.code"))

    def in_turn():
        # Programs that run again are found in the first boot, too.
        yield run("an empty cache", 0, 0.6)
        yield None if len(files()) == 1 else f"{len(files())} files"
        yield None if stat.S_IMODE(files()[0].stat().st_mode) == 0o600 else "others can read it"
        yield run("a filled cache", 0.8, 1)
        yield "a warning" if "warning: /" in seen[-1].text else None
        damage(files()[0])
        yield run("a damaged cache", 0, 0.9)
        yield None if "code: damaged; what is whole in it was used\n" in seen[-1].text.replace("\r", "") else "no warning of damage"
        yield run("a damaged cache, filled again", 0.8, 1)
        os.truncate(files()[0], files()[0].stat().st_size // 2)
        yield run("a file cut short", 0, 0.6)
        yield run("a file cut short, filled again", 0.8, 1)
        os.truncate(files()[0], 10)
        yield run("a file without a header", 0, 0.6)
        before = files()[0].read_bytes()
        files()[0].chmod(0o400)
        cache.chmod(0o500)
        yield run("a cache that cannot be written", 0.8, 1)
        cache.chmod(0o700)
        yield run("no cache", 0, 0, "--no-cache")
        yield None if os.geteuid() == 0 or files()[0].read_bytes() == before else "a file that is read-only was written"
        cache.chmod(0o755)
        yield run("a cache that others can see", 0, 0)
        cache.chmod(0o700)
        files()[0].unlink()
        console = boot(*options, answers=[("Run /init", signal.SIGTERM)])
        yield None if console.status == -signal.SIGTERM else f"status {console.status} after SIGTERM"
        yield run("what a machine left that was ended", 0.7, 1)

    return next((wrong for wrong in in_turn() if wrong), None), seen[-1]
