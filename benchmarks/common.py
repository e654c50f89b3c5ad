"""What the tools of this folder share: building C for both architectures, engines, means, tables and line charts."""

import argparse
import math
import os
import pathlib
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
KERNELS = TOP / "benchmarks" / "kernels"
GUESTS = TOP / "benchmarks" / "guests"
FLAGS = ["-O2", "-ftree-vectorize", "-ffp-contract=off", "-pthread"]
COMPILERS = {
    "arm64": ["aarch64-linux-gnu-gcc", "-march=armv8-a+crypto", "-static"],
    "native": ["gcc", "-maes"],
}
COLORS = ["#555555", "#1b7837", "#5aae61", "#2166ac", "#b35806", "#762a83"]


def argument_parser(doc, rounds):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="qemu-aarch64")
    parser.add_argument("--ulna", default=str(TOP / "build" / "release" / "ulna"))
    parser.add_argument("--engine-args", default="", help="extra options for ulna")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--svg")
    return parser


def build_folder(ulna):
    """Where what is built is kept: beside the ulna in question."""
    folder = pathlib.Path(ulna).absolute().parent / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(folder, source, architecture, flags=(), inputs=()):
    """The program that `source` makes for "arm64" or "native"; built when it is older than the source or `inputs`."""
    output = folder / f"{source.stem}.{architecture}"
    if not output.exists() or output.stat().st_mtime < max(path.stat().st_mtime for path in (source, *inputs)):
        subprocess.run([*COMPILERS[architecture], *FLAGS, *flags, str(source), "-o", str(output), "-lm"], check=True)
    return output


def further_flags(source, architecture):
    """Of one kernel: those after "// arm64 flags:" or "// native flags:" in it."""
    prefix = f"// {architecture} flags:"
    lines = source.read_text().splitlines()
    return [flag for line in lines if line.startswith(prefix) for flag in shlex.split(line[len(prefix):])]


def build_kernel(folder, source, architecture):
    return build(folder, source, architecture, further_flags(source, architecture), [KERNELS / "kernel.h"])


def build_meter(folder):
    return str(build(folder, TOP / "benchmarks" / "measure.c", "native"))


def has_peer(peer):
    if not shutil.which(peer):
        print(f"benchmarks: no {peer} here; its figures are left out", file=sys.stderr)
    return bool(shutil.which(peer))


def run_once(meter, command, environment=None, cpu_limit=None):
    """Returns (output, CPU seconds, wall seconds, peak RSS in KiB, wait status)."""
    def prepare():
        os.dup2(report.fileno(), 3)  # where the meter writes
        if cpu_limit:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_limit, cpu_limit))

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as report:
        command = [meter, shutil.which(command[0]) or command[0], *command[1:]]
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment,
                       preexec_fn=prepare, close_fds=False, check=False)
        out.seek(0)
        report.seek(0)
        cpu, wall, rss, status = report.read().split()
        return out.read(), float(cpu), float(wall), int(rss), int(status)


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def markdown(header, rows):
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def line_chart(title, x_label, y_label, series):
    """An SVG chart, both axes logarithmic; `series` is {name: [(x, y), ...]}."""
    left, top, width, height = 70, 40, 620, 400
    points = [p for line in series.values() for p in line]
    bounds = [(math.floor(math.log10(min(v))), math.ceil(math.log10(max(v)))) for v in zip(*points)]
    (x_low, x_high), (y_low, y_high) = ((low, max(high, low + 1)) for low, high in bounds)
    place = lambda x, y: (left + width * (math.log10(x) - x_low) / (x_high - x_low),
                          top + height * (y_high - math.log10(y)) / (y_high - y_low))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{top + height + 50}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{title}</text>',
           f'<text x="{left + width}" y="{top + height + 36}" text-anchor="end">{x_label}</text>',
           f'<text x="4" y="{top - 6}">{y_label}</text>']
    for decade in range(x_low, x_high + 1):
        x, _ = place(10.0**decade, 10.0**y_low)
        out.append(f'<path d="M{x:.1f} {top}v{height}" stroke="#dddddd"/><text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle">{10.0**decade:g}</text>')
    for decade in range(y_low, y_high + 1):
        _, y = place(10.0**x_low, 10.0**decade)
        out.append(f'<path d="M{left} {y:.1f}h{width}" stroke="#dddddd"/><text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>')
    for i, ((name, line), color) in enumerate(zip(series.items(), COLORS)):
        path = " ".join("{:.1f},{:.1f}".format(*place(*p)) for p in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
                   f'<text x="{left + 12}" y="{top + 20 + 16 * i}" fill="{color}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
