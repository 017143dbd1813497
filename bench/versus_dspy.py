"""hone against DSPy, end to end: the same classifier, data, GGUF, optimizer and number of candidates.

    ./dev bench versus-dspy [--json] [--only mr,banking10] [--runs 3] [--results FILE]

DSPy runs as ../shared/bench/dspy_compile.py does (JSON adapter), in front of llama-server at the slot count that serves
it fastest here; ${HONE_SHARED} or --shared names the folder of that bench/, ${HONE_DATA} or --data that of the data sets.
Peers are looked for in ${HONE_PEERS:-~/.cache/hone-peers}. Sides take turns. `speedup_*` is DSPy's compile time over hone's search time, neither
with loading of the model nor with scoring of the test split; `score_gain_*` is hone's test score less DSPy's, in points.
Both are taken from medians over the runs. hone runs with --race fast, where rank decides which of the few candidates are
measured to the end; --race on takes about twice as long and chooses better. With --results every run is appended to
FILE, and the medians are over all of them: so a long comparison can be made a run at a time.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from lib import places

ROOT = pathlib.Path(__file__).resolve().parent.parent
HONE = ROOT / "build/bin/hone"
INTENTS = 10
SLOTS = [1, 2, 4, 8]
LIMITS = {"train": 100, "val": 100, "test": 200}
INSTRUCTIONS = {"mr": "Decide whether the movie review is positive or negative.",
                "banking10": "Decide what the bank customer wants."}


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_subset(source, folder):
    """The rows of the first ten intents by name."""
    kept = sorted({row["label"] for row in read_rows(source / "train.jsonl")})[:INTENTS]
    folder.mkdir()
    for split in ["train", "dev", "test"]:
        with open(folder / f"{split}.jsonl", "w", encoding="utf-8") as file:
            for row in read_rows(source / f"{split}.jsonl"):
                if row["label"] in kept:
                    file.write(json.dumps({"text": row["text"], "label": row["label"]}) + "\n")


class Server:
    """llama-server with the flags that serve this work best."""

    def __init__(self, program, model, slots, threads):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [program, "-m", model, "--host", "127.0.0.1", "--port", str(self.port), "-np", str(slots), "-kvu",
             "-c", str(max(8192, 2048 * slots)), "-b", "2048", "-ub", "512", "-t", str(threads), "-tb", str(threads),
             "--cache-ram", "0", "--no-cache-idle-slots", "-sps", "0.01", "--cache-reuse", "0", "--no-context-shift",
             "-fa", "on"], stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self):
        deadline = time.time() + 120
        while time.time() < deadline and self.process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.2)
        self.close()
        self.log.seek(0)
        sys.exit("versus-dspy: llama-server did not start:\n" + self.log.read()[-2000:].decode(errors="replace"))

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def last_json(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"versus-dspy: {command[0]} failed ({done.returncode}):\n{done.stderr[-2000:]}{done.stdout[-500:]}")
    return json.loads(lines[-1])


class Comparison:
    def __init__(self, options, folders):
        self.options = options
        self.folders = folders
        self.peers = places.PEERS
        self.threads = len(os.sched_getaffinity(0))
        self.model = options.model or str(places.CACHE / "models/smollm2-q4_0.gguf")
        if not os.path.exists(self.model):
            sys.exit(f"versus-dspy: no model {self.model}; run: build/bin/hone models pull smollm2")
        for needed in [self.peers / "venv/bin/python", self.peers / "llama/bin/llama-server",
                       options.shared / "bench/dspy_compile.py"]:
            if not needed.exists():
                sys.exit(f"versus-dspy: {needed} is missing; docs/performance.md says what has to be there")

    def dspy(self, task, slots, candidates, limits):
        with Server(self.peers / "llama/bin/llama-server", self.model, slots, self.threads) as server:
            command = [self.peers / "venv/bin/python", self.options.shared / "bench/dspy_compile.py", self.folders[task],
                       "--instructions", INSTRUCTIONS[task], "--port", str(server.port), "--adapter", "json",
                       "--candidates", str(candidates), "--threads", "8", "--optimizer", self.options.dspy_optimizer]
            for split, limit in limits.items():
                command += ["--" + split, str(limit)]
            result = last_json([str(part) for part in command])
        return {"seconds": result["compile_s"], "test_before": result["test_before"],
                "test_after": result["test_after"], "lm_calls": result["lm_calls"],
                "parse_failures": result["parse_failures"], "rss_mb": result["rss_mb"], "slots": slots}

    def tuned_slots(self, task):
        """The slot count at which a small compile is fastest."""
        if self.options.slots:
            return self.options.slots
        trials = {}
        for slots in SLOTS:
            trials[slots] = self.dspy(task, slots, 1, {"train": 24, "val": 24, "test": 1})["seconds"]
            print(f"versus-dspy: {task}, {slots} slots: {trials[slots]} s for a small compile", file=sys.stderr)
        return min(trials, key=trials.get)

    def hone(self, task, seed):
        folder = self.folders[task]
        labels = sorted({row["label"] for row in read_rows(folder / "train.jsonl")})
        with tempfile.TemporaryDirectory() as out:
            result = last_json([str(part) for part in [
                HONE, "optimize", "--signature", f"text -> label: enum({', '.join(labels)})",
                "--instructions", INSTRUCTIONS[task], "--train", folder / "train.jsonl",
                "--val", folder / "dev.jsonl", "--test", folder / "test.jsonl",
                "--limit", ",".join(f"{split}={limit}" for split, limit in LIMITS.items()),
                "--metric", "exact_match:label", "--model", "gguf:" + self.model,
                "--optimizer", "bootstrap_random_search", "--candidates", str(self.options.candidates),
                "--seed", str(seed), "--threads", "8", "--race", self.options.race, "--out", pathlib.Path(out) / "best.hone.json", "--json"]])
        names = ["seconds", "total_seconds", "test_before", "test_after", "lm_calls", "computed_tokens",
                 "parse_failures", "rss_mb"]
        return {"seed": seed, **{name: result[name] for name in names}}


def medians(records):
    figures = {}
    for task in INSTRUCTIONS:
        sides = {side: [r["result"] for r in records if r["task"] == task and r["side"] == side]
                 for side in ["hone", "dspy"]}
        if not all(sides.values()):
            continue
        median = {side: {name: statistics.median(run[name] for run in runs) for name in ["seconds", "test_after"]}
                  for side, runs in sides.items()}
        figures["speedup_" + task] = round(median["dspy"]["seconds"] / median["hone"]["seconds"], 2)
        figures["score_gain_" + task] = round(median["hone"]["test_after"] - median["dspy"]["test_after"], 2)
    return figures


def table(records):
    lines = ["| task | side | run | search, s | test before | test after | LM calls | replies not parsed | memory, MB |",
             "|" + "---|" * 9]
    for task in INSTRUCTIONS:
        for side in ["hone", "dspy"]:
            runs = [r["result"] for r in records if r["task"] == task and r["side"] == side]
            for number, run in enumerate(runs, 1):
                cells = [task, side, number, f"{run['seconds']:.1f}", run["test_before"], run["test_after"],
                         run["lm_calls"], run["parse_failures"], round(run["rss_mb"])]
                lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    named = [f"`{name}` {value}" for name, value in medians(records).items()]
    return lines + ["", "Medians: " + ", ".join(named) + "."]


def write_table(path, lines):
    begin, end = "<!-- bench versus-dspy -->", "<!-- end of bench versus-dspy -->"
    text = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    block = begin + "\n" + "\n".join(lines) + "\n" + end
    if begin in text:
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.S)
    else:
        text += "\n## Against DSPy\n\n" + block + "\n"
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the medians as one JSON object")
    parser.add_argument("--only", default=",".join(INSTRUCTIONS), help="comma-separated tasks")
    parser.add_argument("--sides", default="hone,dspy", help="comma-separated sides to run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=6)
    parser.add_argument("--slots", type=int, default=0, help="of llama-server; 0 = measured")
    parser.add_argument("--race", default="fast", choices=["on", "fast", "off"], help="hone's racing")
    parser.add_argument("--dspy-optimizer", default="random_search", choices=["random_search", "mipro"])
    parser.add_argument("--data", type=pathlib.Path, default=places.DATA)
    parser.add_argument("--shared", type=pathlib.Path, default=places.SHARED)
    parser.add_argument("--model", default=None)
    parser.add_argument("--results", type=pathlib.Path, help="append every run to this file; medians over all of it")
    parser.add_argument("--no-table", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    tasks = options.only.split(",")
    for task in tasks:
        if task not in INSTRUCTIONS:
            parser.error(f"no task '{task}'; there are: {', '.join(INSTRUCTIONS)}")
    data = options.data
    if not (data / "mr").exists():
        sys.exit(f"versus-dspy: no data sets in {data}; name their folder with --data or HONE_DATA")

    records = read_rows(options.results) if options.results and options.results.exists() else []
    with tempfile.TemporaryDirectory() as temporary:
        folders = {"mr": data / "mr", "banking10": pathlib.Path(temporary) / "banking10"}
        write_subset(data / "banking77", folders["banking10"])
        comparison = Comparison(options, folders)
        for task in tasks:
            slots = comparison.tuned_slots(task) if "dspy" in options.sides and options.runs > 0 else 0
            for _ in range(options.runs):
                for side in options.sides.split(","):
                    seed = 1 + sum(r["task"] == task and r["side"] == side for r in records)
                    result = (comparison.hone(task, seed) if side == "hone" else
                              comparison.dspy(task, slots, options.candidates, LIMITS))
                    records.append({"task": task, "side": side, "result": result})
                    print(f"versus-dspy: {json.dumps(records[-1])}", file=sys.stderr)
                    if options.results:
                        with open(options.results, "a", encoding="utf-8") as file:
                            file.write(json.dumps(records[-1]) + "\n")
    lines = table(records)
    if not options.no_table and medians(records):
        write_table(ROOT / "docs/performance.md", lines)
    print(json.dumps(medians(records)) if options.json else "\n".join(lines))


if __name__ == "__main__":
    main()
