"""Every optimizer on five tasks with both local models: the same LM calls, three seeds, scores on a test split.

    ./dev bench optimizers [--json] [--run] [--only REGEX] [--data FOLDER] [--through COMMAND]

Without --run it reads bench/optimizers.jsonl, which holds one line a finished run, and prints the tables; with --docs it
also writes docs/optimizers.svg and the tables between the markers of docs/optimizers.md, of the seeds that are complete.
With --run it first makes the runs that are not in the file: killed at any moment, the same command goes on. Each run is one `hone optimize`
(the search, whose seconds are counted) and one `hone eval` on the test examples, which no search sees.
--through names a command that every run is started with, such as "nice -n 10".
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

from lib import dot_plot, places

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench/optimizers.jsonl"
PAGE = ROOT / "docs/optimizers.md"
PLOT = ROOT / "docs/optimizers.svg"
MODELS = ["smollm2", "gemma-270m-base"]
SEEDS = [1, 2, 3]
CALLS = 300
VAL = 40
TEST = 100
TRAIN = 100
SIZES = [10, 50, 300]

# Sized so that the calls suffice for what an optimizer sets out to do; a search that is cut off in its first block of
# examples compares nothing.
OPTIMIZERS = {
    "as it is": None,
    "labeled_few_shot": {},
    "bootstrap_few_shot": {},
    "bootstrap_random_search": {"candidates": 4},
    "bootstrap_tpe": {"candidates": 5, "trials": 6},
    "knn_few_shot": {"max_k": 4},
    "ensemble": {"base": "bootstrap_tpe", "size": 3},
    "infer_rules": {"candidates": 4},
    "copro": {"breadth": 3, "depth": 2},
    "mipro": {"candidates": 4, "trials": 8, "minibatch": 20},
    "simba": {"batch": 12, "candidates": 4, "steps": 3},
    "gepa": {"iterations": 4, "parallel": 2},
}
GROWING = ["labeled_few_shot", "bootstrap_random_search", "mipro"]

Task = collections.namedtuple("Task", "folder signature instructions metric keep")


def label_of(row, text="text", label="label"):
    return {"text": row[text], "label": row[label]}


def equation_of(row):
    return {"question": row["question"], "equation": row["equation"], "answer": row["answer"]}


def bbh(name):
    return lambda row: {"question": row["question"], "answer": row["answer"]} if row["task"] == name else None


TASKS = {
    "mr": Task("mr", "text -> label: enum(positive, negative)", "Is the movie review positive or negative?",
               "exact_match:label", label_of),
    "banking10": Task("banking77", None, "What does the customer of the bank want?", "exact_match:label", label_of),
    # Asked for the number, gemma-270m-base is right on 0 to 1 %, whatever the demos. Equations it learns.
    "svamp": Task("svamp", "question -> equation: str(..40)", "Write the equation that solves the problem.",
                  f"command:python3 {shlex.quote(str(ROOT / 'examples/equation_score.py'))}", equation_of),
    "bbh boolean": Task("bbh", "question -> answer: enum(True, False)", "Evaluate the expression.",
                        "exact_match:answer", bbh("boolean_expressions")),
    "bbh sports": Task("bbh", "question -> answer: enum(yes, no)", "Is the sentence plausible?", "exact_match:answer",
                       bbh("sports_understanding")),
}


class Data:
    """Each task's splits in the fields of its signature, in files of a temporary folder."""

    def __init__(self, source, folder):
        self._source, self._folder = pathlib.Path(source), pathlib.Path(folder)
        self._signatures = {}

    def file(self, task, split):
        path = self._folder / f"{task.replace(' ', '-')}.{split}.jsonl"
        if not path.exists():
            path.write_text("".join(json.dumps(row) + "\n" for row in self._rows(task, split)), encoding="utf-8")
        return path

    def signature(self, task):
        if TASKS[task].signature:
            return TASKS[task].signature
        return f"text -> label: enum({', '.join(self._labels())})"

    def _labels(self):
        """The first ten intents by name."""
        return sorted({row["label"] for row in self._read("banking77", "train")})[:10]

    def _read(self, folder, split):
        with open(self._source / folder / f"{split}.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def _rows(self, task, split):
        rows = [row for row in map(TASKS[task].keep, self._read(TASKS[task].folder, split)) if row]
        if task == "banking10":
            labels = self._labels()
            rows = [row for row in rows if row["label"] in labels]
        return rows


def plan():
    """Every run, those first that say most: one seed of everything before the next."""
    runs = []
    for seed in SEEDS:
        for model in MODELS:
            for task in TASKS:
                for optimizer in OPTIMIZERS:
                    if OPTIMIZERS[optimizer] is not None or seed == SEEDS[0]:
                        runs.append({"part": "all", "model": model, "task": task, "optimizer": optimizer, "seed": seed})
        for model in MODELS:
            for task in ["mr", "banking10"]:
                for size in SIZES:
                    for optimizer in GROWING:
                        runs.append({"part": "growing", "model": model, "task": task, "optimizer": optimizer,
                                     "examples": size, "seed": seed})
    return runs


def key_of(run):
    return " ".join(str(run[name]) for name in ("part", "model", "task", "optimizer", "examples", "seed") if name in run)


class Runner:
    def __init__(self, hone, data, folder, through):
        self._hone, self._data, self._folder, self._through = hone, data, pathlib.Path(folder), shlex.split(through)
        self._tested = {}  # a program's content -> its scores on the test examples

    def __call__(self, run):
        program = self._folder / "program.hone.json"
        record = dict(run)
        if run["optimizer"] == "as it is":
            record["scores"] = self._test(run, self._task_file(run))
            return record
        report, wall, cpu = self._start(["optimize", *self._search_arguments(run, program)])
        record |= {"val": report["val_after"], "val_before": report["val_before"], "calls": report["lm_calls"],
                   "prompt_tokens": report["prompt_tokens"], "computed_tokens": report["computed_tokens"],
                   "generated_tokens": report["generated_tokens"], "seconds": round(report["seconds"], 2),
                   "cpu_seconds": round(cpu, 2), "stop": report["stop_reason"], "origin": report["best_origin"][:60]}
        content = hashlib.sha256(json.dumps([run["task"], run["model"], json.loads(program.read_text())["program"]])
                                 .encode()).hexdigest()
        if content not in self._tested:
            self._tested[content] = self._test(run, program)
        record["scores"] = self._tested[content]
        return record

    def _common(self, run):
        return ["--metric", TASKS[run["task"]].metric, "--model", run["model"], "--quiet", "--json"]

    def _search_arguments(self, run, program):
        task = TASKS[run["task"]]
        train, val = self._data.file(run["task"], "train"), self._data.file(run["task"], "dev")
        arguments = ["--signature", self._data.signature(run["task"]), "--instructions", task.instructions,
                     "--optimizer", run["optimizer"], "--seed", str(run["seed"]), "--budget-calls", str(CALLS),
                     "--out", str(program), *self._common(run)]
        for name, value in OPTIMIZERS[run["optimizer"]].items():
            arguments += ["--option", f"{name}={value}"]
        if "examples" in run:
            # All the labels there are, in an order of the seed's; hone sets 30 % of them aside for validation.
            return arguments + ["--train", str(self._sample(run))]
        return arguments + ["--train", str(train), "--val", str(val), "--limit", f"train={TRAIN},val={VAL}"]

    def _sample(self, run):
        lines = self._data.file(run["task"], "train").read_text(encoding="utf-8").splitlines()
        lines += self._data.file(run["task"], "dev").read_text(encoding="utf-8").splitlines()
        lines.sort(key=lambda line: hashlib.sha256(f"{run['seed']} {line}".encode()).digest())
        path = self._folder / "sample.jsonl"
        path.write_text("".join(line + "\n" for line in lines[:run["examples"]]), encoding="utf-8")
        return path

    def _task_file(self, run):
        path = self._folder / "task.toml"
        path.write_text(f"[program]\nsignature = {json.dumps(self._data.signature(run['task']))}\n"
                        f"instructions = {json.dumps(TASKS[run['task']].instructions)}\n", encoding="utf-8")
        return path

    def _test(self, run, program):
        out = self._folder / "scores.jsonl"
        self._start(["eval", str(program), "--data", str(self._data.file(run["task"], "test")), "--limit",
                     f"test={TEST}", "--out", str(out), *self._common(run)])
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        return "".join("1" if row["score"] else "0" for row in rows)

    def _start(self, arguments):
        """The command's report, with the seconds and the processor seconds it took."""
        start = time.perf_counter()
        child = subprocess.Popen([*self._through, self._hone, *arguments], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        out, fault = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise RuntimeError(f"hone {' '.join(arguments)}: {fault.strip()}")
        return json.loads(out), time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def finished():
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines() if line.strip()]


def make_runs(arguments):
    known = {key_of(run) for run in finished()}
    waiting = [run for run in plan() if key_of(run) not in known and re.search(arguments.only, key_of(run))]
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(arguments.hone, Data(arguments.data, folder), folder, arguments.through)
        for number, run in enumerate(waiting):
            try:
                record = runner(run)
            except RuntimeError as fault:
                print(f"{key_of(run)}: {fault}", file=sys.stderr)
                continue
            with open(RESULTS, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            score = 100 * record["scores"].count("1") / len(record["scores"])
            print(f"{number + 1}/{len(waiting)} {key_of(run)}: {score:.0f}, {record.get('seconds', 0)} s",
                  file=sys.stderr, flush=True)


def summary(runs):
    """Mean over seeds in percent with a 95 % interval for other examples and other seeds: the variance of the mean is
    that over examples (of each one's mean over the seeds) plus that over seeds. Seconds, calls and tokens are medians."""
    scores = [[int(digit) for digit in run["scores"]] for run in runs]
    by_seed = [100 * statistics.fmean(row) for row in scores]
    by_example = [100 * statistics.fmean(column) for column in zip(*scores)]
    mean = statistics.fmean(by_seed)
    variance = statistics.variance(by_example) / len(by_example)
    if len(by_seed) > 1:
        variance += statistics.variance(by_seed) / len(by_seed)
    half = 1.96 * variance**0.5
    out = {"runs": len(runs), "mean": mean, "low": max(0, mean - half), "high": min(100, mean + half)}
    for name in ("seconds", "cpu_seconds", "calls", "prompt_tokens", "computed_tokens", "generated_tokens"):
        if name in runs[0]:
            out[name] = statistics.median(run[name] for run in runs)
    return out


def grouped(runs, *names):
    groups = collections.defaultdict(list)
    for run in runs:
        groups[tuple(run[name] for name in names)].append(run)
    return {key: summary(group) for key, group in groups.items()}


def cell(entry):
    return f"{entry['mean']:.0f} ± {(entry['high'] - entry['low']) / 2:.0f}" if entry else ""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def score_table(runs, model):
    scores = grouped([run for run in runs if run["part"] == "all"], "model", "task", "optimizer")
    rows = []
    for optimizer in OPTIMIZERS:
        entries = [scores.get((model, task, optimizer)) for task in TASKS]
        known = [entry for entry in entries if entry]
        mean = f"{statistics.fmean(entry['mean'] for entry in known):.1f}" if len(known) == len(TASKS) else ""
        spent = [""] * 4
        if known and optimizer != "as it is":
            def middle(name):
                return statistics.median(entry[name] for entry in known)
            spent = [f"{middle('calls'):.0f}", f"{middle('computed_tokens') / 1000:.0f}k",
                     f"{middle('generated_tokens') / 1000:.1f}k", f"{middle('cpu_seconds'):.0f}"]
        rows.append([f"`{optimizer}`" if OPTIMIZERS[optimizer] is not None else optimizer, *map(cell, entries), mean, *spent])
    return table([model, *TASKS, "mean", "calls", "computed tokens", "generated", "processor s"], rows)


def growing_table(runs):
    scores = grouped([run for run in runs if run["part"] == "growing"], "model", "task", "optimizer", "examples")
    cases = [(model, task) for model in MODELS for task in ["mr", "banking10"]]
    rows = []
    for model, task in cases:
        for optimizer in GROWING:
            entries = [scores.get((model, task, optimizer, size)) for size in SIZES]
            rows.append([model, task, f"`{optimizer}`", *map(cell, entries)])
    return table(["model", "task", "optimizer", *(f"{size} examples" for size in SIZES)], rows)


def complete(runs, part):
    """A table's runs of the seeds that all its planned runs are there of, and those seeds: others would weigh tasks
    unequally."""
    known = {key_of(run) for run in runs}
    seeds = [seed for seed in SEEDS
             if all(key_of(run) in known for run in plan() if run["seed"] == seed and run["part"] == part)]
    return [run for run in runs if run["part"] == part and (run["seed"] in seeds or run["optimizer"] == "as it is")], seeds


def plot(runs, seeds):
    scores = grouped([run for run in runs if run["part"] == "all"], "model", "task", "optimizer")
    panels = []
    for task in TASKS:
        values = {model: {optimizer: (entry["low"], entry["mean"], entry["high"]) for optimizer in OPTIMIZERS
                          if (entry := scores.get((model, task, optimizer)))} for model in MODELS}
        panels.append((task, values))
    of = "one seed" if len(seeds) == 1 else f"mean of {len(seeds)} seeds"
    title = f"Test score in percent, {CALLS} LM calls for the search, {of}"
    return dot_plot.draw(title, list(OPTIMIZERS), panels, MODELS)


def write_docs(runs):
    compared, seeds = complete(runs, "all")
    growing, growing_seeds = complete(runs, "growing")
    if not seeds or not growing_seeds:
        raise SystemExit("there is no seed yet that every run is there of")
    text = PAGE.read_text(encoding="utf-8")
    parts = {"scores": "\n\n".join(score_table(compared, model) for model in MODELS), "growing": growing_table(growing)}
    for name, content in parts.items():
        pattern = re.compile(f"(<!-- {name}: made by bench/optimizers.py -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{PAGE}: has no place for '{name}'")
        text = pattern.sub(lambda match: match[1] + content + "\n" + match[2], text)
    PAGE.write_text(text, encoding="utf-8")
    PLOT.write_text(plot(compared, seeds), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="make the runs that are missing")
    parser.add_argument("--only", default="", help="of them, those whose key matches")
    parser.add_argument("--docs", action="store_true", help="write the tables and the plot into docs/")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", default=str(places.DATA))
    parser.add_argument("--hone", default=str(ROOT / "build/bin/hone"))
    parser.add_argument("--through", default="")
    arguments = parser.parse_args()
    if arguments.run:
        make_runs(arguments)
    runs = finished()
    if not runs:
        raise SystemExit("there are no runs yet: --run makes them")
    if arguments.docs:
        write_docs(runs)
    if arguments.json:
        scores = grouped([run for run in runs if run["part"] == "all"], "model", "task", "optimizer")
        entries = [dict(zip(("model", "task", "optimizer"), key)) | value for key, value in scores.items()]
        print(json.dumps({"runs": len(runs), "planned": len(plan()), "scores": entries}, indent=2))
        return
    for model in MODELS:
        print(score_table(runs, model) + "\n")
    print(growing_table(runs))


if __name__ == "__main__":
    main()
