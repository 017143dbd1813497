#!/usr/bin/env python3
"""Fails on an include that goes against the arrows between hone's areas.

The same table stands in CMakeLists.txt as link dependencies. This check also covers what links but should not be
written: third-party headers in public headers, private headers of another area, and applications, benchmarks or
examples that reach below the public headers.
"""

import pathlib
import re
import sys

# What each area may include directly; what those may include comes with it.
ARROWS = {
    "base": [],
    "core": ["base"],
    "adapter": ["core"],
    "lm": ["core"],
    "retrieve": ["core"],
    "store": ["core"],
    "program": ["adapter", "lm", "retrieve"],
    "assertion": ["program"],
    "eval": ["program", "assertion", "store"],
    "optimize": ["eval"],
    "typed": ["optimize"],
    "testing": ["optimize"],
}
# Of these areas, programs see the interface only; the rest is for whoever sets up a run.
INTERFACES = {"program": {"lm": {"lm.hpp", "embedder.hpp"}, "retrieve": {"retriever.hpp"}}}
THIRD_PARTY_IN_PUBLIC = {"typed": ("boost/pfr",)}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
STANDARD = re.compile(r"^[a-z_0-9]+$")


def reachable(area):
    seen, pending = {area}, [area]
    while pending:
        for target in ARROWS[pending.pop()]:
            if target not in seen:
                seen.add(target)
                pending.append(target)
    return seen


def problem(root, path, included, quoted):
    """What is wrong with one include, or None."""
    parts = path.relative_to(root).parts
    public = parts[:2] == ("include", "hone")
    area = parts[2] if public else parts[1] if parts[0] == "src" else None
    if area is not None and area not in ARROWS:
        return f"'{area}' is not an area; the table is in cmake/check_includes.py"

    if included.startswith("hone/"):
        target = included.split("/")[1]
        if target == "hone" or target not in ARROWS:
            return None if area is None else f"'{target}' is not an area"
        if area is None:
            return None
        if target not in reachable(area):
            return f"area '{area}' may not include area '{target}'"
        allowed = INTERFACES.get(area, {}).get(target)
        if public and allowed is not None and included.split("/", 2)[2] not in allowed:
            return f"public headers of '{area}' see only {', '.join(sorted(allowed))} of '{target}'"
        return None

    if public:
        if not quoted and STANDARD.match(included):
            return None
        if included.startswith(THIRD_PARTY_IN_PUBLIC.get(area, ("\0",))):
            return None
        return "a public header includes only hone/ and the standard library"

    if quoted and "/" in included and included.split("/")[0] in ARROWS:
        target = included.split("/")[0]
        if area is None:
            return f"only tests and src/{target} see private headers"
        if target not in reachable(area):
            return f"area '{area}' may not include area '{target}'"
    return None


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    faults = 0
    for folder in ("include", "src", "apps", "bench", "examples"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".hpp", ".cpp", ".h"):
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                fault = match and problem(root, path, match[2], match[1] == '"')
                if fault:
                    faults += 1
                    print(f"{path.relative_to(root)}:{number}: {match[2]}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
