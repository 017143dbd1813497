#!/usr/bin/env python3
"""Runs clang-tidy on hone's own sources, and only on those that changed since they last passed.

What passed is remembered by a hash of everything the result depends on: the tool, its configuration, the compile
command, and the contents of the file and of every file of hone that it includes.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TOOL = "clang-tidy-19"
# GCC's flags that clang does not know are no finding; nor are clang's own warnings, since GCC's are errors already.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-error", "--extra-arg=-w"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def cache_folder():
    base = os.environ.get("HONE_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "hone")
    return pathlib.Path(base) / "lint"


def commands_by_file(build):
    """How each file is compiled, those that are compiled together as if each were compiled by itself."""
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        together = pathlib.Path(entry["file"])
        if together.parent.name != "Unity":
            entries.append(entry)
            continue
        for name in INCLUDE.findall(together.read_bytes()):
            command = re.sub(r" -o \S+", "", entry["command"]).replace(entry["file"], name.decode())
            entries.append({"directory": entry["directory"], "command": command, "file": name.decode()})
    return entries


class Fingerprints:
    """Hashes of sources together with what they include."""

    def __init__(self, build):
        tool = subprocess.run([TOOL, "--version"], capture_output=True, check=True).stdout
        self._common = tool + (ROOT / ".clang-tidy").read_bytes() + " ".join(EXTRA).encode()
        self._build = build
        self._content = {}

    def of(self, source, command):
        digest = hashlib.sha256(self._common)
        digest.update(command.replace(str(self._build), "BUILD").replace(str(ROOT), "ROOT").encode())
        for path in sorted(self._reach(source)):
            digest.update(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name).encode())
            digest.update(self._read(path))
        return digest.hexdigest()

    def _read(self, path):
        if path not in self._content:
            self._content[path] = path.read_bytes()
        return self._content[path]

    def _reach(self, source):
        seen, pending = {source}, [source]
        while pending:
            path = pending.pop()
            for name in INCLUDE.findall(self._read(path)):
                for folder in (path.parent, ROOT / "include", self._build / "include", ROOT / "src", ROOT / "apps"):
                    target = folder / name.decode()
                    if target.is_file():
                        if target not in seen:
                            seen.add(target)
                            pending.append(target)
                        break
        return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="a configured build folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    build = options.build.resolve()

    passed = cache_folder()
    passed.mkdir(parents=True, exist_ok=True)
    fingerprints = Fingerprints(build)
    entries = commands_by_file(build)
    commands = build / "lint"
    commands.mkdir(exist_ok=True)
    (commands / "compile_commands.json").write_text(json.dumps(entries, indent=1))
    pending, known = [], 0
    for entry in entries:
        source = pathlib.Path(entry["file"])
        if not (source.is_relative_to(ROOT / "src") or source.is_relative_to(ROOT / "apps")):
            continue
        mark = passed / fingerprints.of(source, entry["command"])
        if mark.exists():
            known += 1
        else:
            pending.append((source, mark))

    def check(item):
        source, mark = item
        start = time.monotonic()
        result = subprocess.run([TOOL, "-p", str(commands), "--quiet", *EXTRA, str(source)],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode == 0:
            mark.touch()
        return source, result, time.monotonic() - start

    faults = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for source, result, seconds in pool.map(check, pending):
            print(f"{source.relative_to(ROOT)}  {seconds:.1f} s", flush=True)
            if result.returncode != 0:
                faults += 1
                print(result.stdout, result.stderr, sep="", flush=True)
    print(f"{len(pending)} checked, {known} unchanged since they passed, {faults} with findings")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
