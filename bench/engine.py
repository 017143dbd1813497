"""The embedded engine against llama-server and against what the hardware can do, in one run.

    ./dev bench engine [--json] [--quick] [--only NAME,NAME] [--naive] [--clock cpu] [--threads N] [--data FOLDER]

Workloads come from real data (mr, banking77, svamp, hotpotqa); ${HONE_DATA} or --data names its folder. Peers
(llama-server, llama-bench, llama-batched-bench) are looked for in ${HONE_PEERS:-~/.cache/hone-peers}/llama/bin.
Every figure is taken three times, and the two sides of each repetition follow one another; the median is what counts,
the table in docs/performance.md also holds minimum and maximum. It gets the rows of the workloads that ran, so that
--only can take them in several turns. With --clock cpu processor seconds on one thread are compared instead of time:
what to use on a busy machine. --naive also decodes every request alone, in exact mode, and compares what it generates.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from lib import places

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "build/bin/bench_engine"
WAITING = {"GOMP_SPINCOUNT": "1000"}  # what the command begins itself with
INSTRUCTION = "Decide whether the movie review is positive or negative."


def rows(folder, name, count):
    with open(folder / name, encoding="utf-8") as file:
        return [json.loads(line) for _, line in zip(range(count), file)]


def review(row, answered):
    return "\n\nReview: " + row["text"] + ("\nSentiment: " + row["label"] if answered else "")


def problem(row, answered):
    return "\n\nQuestion: " + row["question"] + ("\nAnswer: " + str(row["answer"]) if answered else "")


def make_workloads(data, requests):
    train, dev = rows(data / "mr", "train.jsonl", 200), rows(data / "mr", "dev.jsonl", 400)
    sums, asked = rows(data / "svamp", "train.jsonl", 60), rows(data / "svamp", "dev.jsonl", 200)
    hops = rows(data / "hotpotqa", "train.jsonl", 60) + rows(data / "hotpotqa", "dev.jsonl", 60)

    def reviews(demos, inputs):
        return {"fixed": [INSTRUCTION] + [review(row, True) for row in demos], "forced": "\nSentiment:",
                "labels": ["positive", "negative"], "inputs": [review(row, False) for row in inputs]}

    def answers(instruction, demos, inputs, limit, stop):
        return {"fixed": [instruction] + [problem(row, True) for row in demos], "forced": "\nAnswer:",
                "stop": stop, "max_tokens": limit, "inputs": [problem(row, False) for row in inputs]}

    # Twenty candidates: one instruction and four demos in common, then five families of demo lists that grow to 16,
    # as many as hone shows by default. They come in no order of kinship and race in blocks of five examples, as hone's
    # evaluator has them.
    demo_lists = [train[:4] + train[10 + family * 12:10 + family * 12 + length]
                  for family in range(5) for length in (3, 6, 9, 12)]
    random.Random(1).shuffle(demo_lists)
    blocks = [[reviews(demos, dev[first:first + 5]) for demos in demo_lists]
              for first in range(0, max(10, requests // 5), 5)]
    intents = {row["label"]: None for row in rows(data / "banking77", "train.jsonl", 10000)}
    cards = rows(data / "banking77", "dev.jsonl", requests)

    def query(row, answered):
        return "\n\nQuery: " + row["text"] + ("\nIntent: " + row["label"] if answered else "")

    labels77 = {"fixed": ["Name the intent of the bank customer's query. Intents: " + ", ".join(sorted(intents))] +
                         [query(row, True) for row in rows(data / "banking77", "train.jsonl", 8)],
                "forced": "\nIntent:", "labels": sorted(intents), "inputs": [query(row, False) for row in cards]}
    return [
        {"name": "label8", "rounds": [[reviews(train[:8], dev[:requests])]]},
        {"name": "label24", "rounds": [[reviews(train[:24], dev[:requests])]]},
        {"name": "labels77", "rounds": [[labels77]]},
        {"name": "short", "rounds": [[answers("Solve the problem. Give the number only.", sums[:8], asked[:requests], 8,
                                              ["\n"])]]},
        {"name": "answer60", "rounds": [[answers("Answer the question in a sentence or two.", hops[:8],
                                                 hops[20:20 + requests], 60, ["\n\n\n\n"])]]},
        {"name": "long", "rounds": [[answers("Think it through step by step.", sums[:8], asked[:requests], 100,
                                             ["\n\n\n\n"])]]},
        {"name": "prefix20", "rounds": blocks},
    ]


class Server:
    """llama-server with P slots, tuned as its documentation and this kind of work want it."""

    def __init__(self, binary, model, slots, cells, threads, flash):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.slots = slots
        command = [binary, "-m", model, "--host", "127.0.0.1", "--port", str(self.port), "-np", str(slots), "-kvu",
                   "-c", str(cells), "-b", "2048", "-ub", "512", "-t", str(threads), "-tb", str(threads),
                   "--cache-ram", "0", "--no-cache-idle-slots", "-sps", "0.01", "--cache-reuse", "0",
                   "--no-context-shift", "-fa", flash]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 120
        while time.time() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("llama-server did not start")

    def close(self):
        self.process.terminate()
        self.process.wait()

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def post(self, connection, body):
        connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        payload = response.read()
        if response.status != 200:
            raise RuntimeError(f"llama-server: {response.status} {payload[:200]}")
        return json.loads(payload)

    def forget(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        for slot in range(self.slots):
            self.post(connection, {"prompt": "~", "n_predict": 1, "id_slot": slot, "temperature": 0})

    def run(self, workload, clock):
        self.forget()
        cpu, start, generated = self.cpu(), time.time(), 0
        for round_ in workload["rounds"]:
            for candidate in round_:  # one after another: interleaved they would spoil each other's slots
                generated += self.run_candidate(candidate)
        return (self.cpu() - cpu if clock == "cpu" else time.time() - start), generated

    def run_candidate(self, candidate):
        fixed = "".join(candidate["fixed"])
        # Labels that differ in their first token are one token to generate; others follow a grammar, which is how a
        # server is made to answer with one of them.
        labels = candidate.get("labels", [])
        limit = candidate.get("max_tokens", 1 if len(labels) == 2 else 24)
        settings = {"cache_prompt": True, "temperature": 0, "n_predict": limit, "stop": candidate.get("stop", [])}
        if len(labels) > 2:
            settings["grammar"] = "root ::= " + " | ".join(json.dumps(" " + label) for label in labels)
        bodies = [dict(settings, prompt=fixed + text + candidate["forced"]) for text in candidate["inputs"]]
        lock, position, generated, errors = threading.Lock(), 0, 0, []

        def work():
            nonlocal position, generated
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            while True:
                with lock:
                    if position == len(bodies) or errors:
                        return
                    body = bodies[position]
                    position += 1
                try:
                    count = self.post(connection, body).get("tokens_predicted", 0)
                except (OSError, RuntimeError) as error:
                    errors.append(error)
                    return
                with lock:
                    generated += count

        threads = [threading.Thread(target=work) for _ in range(self.slots + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return generated


class Ours:
    """bench_engine, which stays open between its turns."""

    def __init__(self, workloads, model, options, exact=False):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(workloads, self.file)
        self.file.flush()
        command = [BENCH, self.file.name, model, "--threads", str(options.threads), "--tuning", options.tuning]
        self.process = subprocess.Popen(command + (["--exact"] if exact else []) + options.engine.split(), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=WAITING | os.environ)

    def run(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench_engine ended at {name}")
        result = json.loads(line)
        if result.get("failures"):
            raise RuntimeError(f"bench_engine: {result['failures']} of {name}'s requests failed")
        return result

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.file.close()


class Hardware:
    """What llama.cpp's own tools reach on this machine: each rate at the best of its settings."""

    def __init__(self, model, peers, options):
        self.model, self.peers, self.options = model, peers, options
        self.best_prefill = {}

    def json_lines(self, command):
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def llama_bench(self, *arguments):
        return self.json_lines([self.peers / "llama-bench", "-m", self.model, "-t", str(self.options.threads), "-n", "0",
                                "-p", "512", "-o", "jsonl", *arguments])

    def batched_bench(self, flash, *arguments):
        return self.json_lines([self.peers / "llama-batched-bench", "-m", self.model, "-t", str(self.options.threads),
                                "-c", "16384", "-b", "2048", "-ub", "512", "-kvu", "-fa", flash, "--output-format",
                                "jsonl", *arguments])

    def prefill(self, depth):
        """Seconds a prompt token as (a, b): a + b * tokens it attends to, between depth 0 and this one."""
        points = []
        for d in (0, depth):
            if d not in self.best_prefill:
                rows_ = self.llama_bench("-d", str(d), "-fa", "0,1", "-ub", "128,256,512", "-r", "1")
                best = max(rows_, key=lambda row: row["avg_ts"])
                self.best_prefill[d] = ["-d", str(d), "-fa", str(int(best["flash_attn"])), "-ub", str(best["n_ubatch"])]
            points.append((d + 256, 1 / self.llama_bench(*self.best_prefill[d], "-r", "2")[0]["avg_ts"]))
        (x0, y0), (x1, y1) = points
        slope = (y1 - y0) / (x1 - x0)
        return y0 - slope * x0, slope

    def row_seconds(self):
        """One output row: 512 prompt tokens in 64 sequences against the same in 8."""
        many, few = (min(row["t_pp"] for _ in range(2) for row in
                         self.batched_bench("on", "-npp", str(512 // count), "-ntg", "1", "-npl", str(count)))
                     for count in (64, 8))
        return max(0, many - few) / 56

    def step_seconds(self, depth, widest):
        """Seconds of one decoding step by width."""
        widths = [width for width in (1, 2, 4, 8, 16, 32, 64, 96, 128, 192) if width < 2 * widest]
        best = {}
        for flash in ("on", "off"):
            for row in self.batched_bench(flash, "-pps", "-npp", str(depth), "-ntg", "16", "-npl",
                                          ",".join(map(str, widths))):
                seconds = row["pl"] / row["speed_tg"]
                best[row["pl"]] = min(best.get(row["pl"], seconds), seconds)
        return sorted(best.items())

    def least_seconds(self, result):
        """U / R_pp(d) + sum over steps of W / R_tg(W, d) + rows * t_head, at what the run had."""
        steps = {width: count for width, count in enumerate(result["steps_by_width"]) if count}
        replied = sum(width * count for width, count in steps.items())
        depth = max(64, result["prompt_tokens"] // result["requests"])
        a, b = self.prefill(depth)
        reply_depth = depth + result["generated_tokens"] / result["requests"] / 2 if replied else 0
        attended = result["attended_tokens"] - replied * reply_depth
        least = a * (result["computed_tokens"] - replied) + b * attended
        least += (result["rows"] - replied) * self.row_seconds()
        if steps:
            times = self.step_seconds(depth, max(steps))
            least += sum(count * between(times, width) for width, count in steps.items())
        return least


def between(points, x):
    """Linear between the measured points and beyond the last."""
    if len(points) == 1:
        return points[0][1]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x <= x1:
            break
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def start_server(model, peers, slots, flash, options):
    return Server(peers / "llama-server", model, slots, max(4096, 2048 * slots), options.threads, flash)


def best_setting(workload, model, peers, options):
    """Slots and flash attention that are fastest on a part of the work."""
    part = dict(workload, rounds=[[dict(candidate, inputs=candidate["inputs"][:max(8, options.requests // 4)])
                                   for candidate in round_[:4]] for round_ in workload["rounds"][:2]])
    trials = {}
    for flash in ["on", "off"]:
        for slots in options.slots:
            server = start_server(model, peers, slots, flash, options)
            try:
                trials[(slots, flash)] = server.run(part, options.clock)[0]
            finally:
                server.close()
    return min(trials, key=trials.get)


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def shown(values, digits=2):
    return "{median:.{d}f} ({min:.{d}f}-{max:.{d}f})".format(d=digits, **spread(values))


def check_counts(result):
    """Every node of the trie computed once, and each reply token but the last fed once."""
    replied = sum(width * count for width, count in enumerate(result["steps_by_width"]))
    if result["computed_tokens"] != result["trie_tokens"] + replied:
        raise RuntimeError(f"{result['name']}: {result['computed_tokens']} tokens computed, but the trie has "
                           f"{result['trie_tokens']} and replies added {replied}")


def check_naive(workloads, model, options):
    ours = Ours(workloads, model, options, exact=True)
    for workload in workloads:
        together, alone = ours.run(workload["name"]), ours.run("naive " + workload["name"])
        print(f"{workload['name']}: {together['generated_tokens']} tokens generated together, "
              f"{alone['generated_tokens']} one request at a time", file=sys.stderr)
        if together["generated_tokens"] > alone["generated_tokens"]:
            raise RuntimeError("more tokens generated than by naive decoding")
    ours.close()


HEAD = ["| workload | requests | ours, s | tokens computed = in the trie | generated | of the hardware's limit | "
        "llama-server, s | its best setting | times faster |", "|" + "---|" * 9]


def write_table(path, lines):
    """Replaces the rows of the workloads that ran and leaves the others."""
    begin, end = "<!-- bench engine -->", "<!-- end of bench engine -->"
    text = path.read_text(encoding="utf-8")
    if begin not in text:
        raise RuntimeError(f"{path} has no line {begin}")
    old = re.search(re.escape(begin) + "\n(.*?)" + re.escape(end), text, flags=re.S)[1].splitlines()
    table = {line.split("|")[1].strip(): line for line in old[2:] if line.startswith("|")}
    table.update({line.split("|")[1].strip(): line for line in lines})
    block = "\n".join([begin, *HEAD, *table.values(), end])
    path.write_text(text.replace(text[text.index(begin):text.index(end) + len(end)], block), encoding="utf-8")


EFFICIENCIES = ["label8", "label24", "answer60"]
SERVER_FIGURES = {"label8": "vs_server_label", "short": "vs_server_short", "long": "vs_server_long",
                  "prefix20": "vs_server_prefix20", "labels77": "vs_server_labels77"}


def measure(workload, ours, model, peers, options):
    """The figures of one workload and its row of the table."""
    name, figures = workload["name"], {}
    key = "cpu_seconds" if options.clock == "cpu" else "seconds"
    hardware = Hardware(model, peers, options) if name in EFFICIENCIES and options.has_bench else None
    server = setting = None
    if name in SERVER_FIGURES and options.has_server:
        setting = best_setting(workload, model, peers, options)
        server = start_server(model, peers, *setting, options)
    runs, theirs, least = [], [], []
    try:
        ours.run(name)  # weights and code come into memory
        for _ in range(options.repeat):
            runs.append(ours.run(name))
            check_counts(runs[-1])
            if hardware:
                least.append(hardware.least_seconds(runs[-1]))
            if server:
                theirs.append(server.run(workload, options.clock))
    finally:
        if server:
            server.close()
    seconds = [run[key] for run in runs]
    cells = [name, str(runs[0]["requests"]), shown(seconds), str(runs[0]["computed_tokens"]),
             str(runs[0]["generated_tokens"]), "", "", "", ""]
    if least:
        shares = [limit / run for limit, run in zip(least, seconds)]
        figures["efficiency_" + name] = round(statistics.median(shares), 3)
        cells[5] = shown(shares)
    if theirs:
        # Replies may differ in length where kernels differ in rounding: seconds a token are what is compared.
        per_token = name == "long"
        factors = [(other / max(1, count if per_token else 1)) / (own / max(1, run["generated_tokens"] if per_token else 1))
                   for (other, count), own, run in zip(theirs, seconds, runs)]
        figures[SERVER_FIGURES[name]] = round(statistics.median(factors), 3)
        cells[6], cells[8] = shown([run[0] for run in theirs]), shown(factors)
        cells[7] = f"-np {setting[0]} -fa {setting[1]}"
    if options.verbose:
        print(json.dumps({"runs": runs, "least": least, "theirs": theirs, "setting": setting}), file=sys.stderr)
    return figures, "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the medians as one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer requests, one repetition, fewer server settings")
    parser.add_argument("--verbose", action="store_true", help="print every count and time")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", default=str(places.DATA))
    parser.add_argument("--model", default=None)
    parser.add_argument("--only", default="", help="comma-separated workloads")
    parser.add_argument("--naive", action="store_true", help="compare what is generated with naive decoding")
    parser.add_argument("--engine", default="", help="further arguments of bench_engine")
    parser.add_argument("--no-table", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    options.repeat = 1 if options.quick else 3
    options.requests = 30 if options.quick else 100
    options.slots = [1, 4] if options.quick else [1, 2, 4, 8, 16]
    if options.clock == "cpu":
        options.threads = 1
    model = options.model or str(places.CACHE / "models/smollm2-q4_0.gguf")
    options.tuning = str(places.CACHE / "tuning")
    data = pathlib.Path(options.data)
    if not (data / "mr").exists():
        sys.exit(f"bench engine: no data sets in {data}; name their folder with --data or HONE_DATA")
    if not os.path.exists(model):
        sys.exit(f"bench engine: no model {model}; run: build/bin/hone models pull smollm2")
    peers = places.PEERS / "llama/bin"
    options.has_server = (peers / "llama-server").exists()
    options.has_bench = ((peers / "llama-bench").exists() and (peers / "llama-batched-bench").exists() and
                         options.clock == "wall")
    if not options.has_server or not (peers / "llama-bench").exists():
        print(f"bench engine: peers are absent from {peers}: ours only", file=sys.stderr)
    workloads = make_workloads(data, options.requests)
    if options.only:
        workloads = [workload for workload in workloads if workload["name"] in options.only.split(",")]

    if options.naive:
        check_naive(workloads, model, options)
    ours = Ours(workloads, model, options)
    figures, lines = {}, []
    for workload in workloads:
        more, line = measure(workload, ours, model, peers, options)
        figures.update(more)
        lines.append(line)
        if not options.json:
            print(line, flush=True)
    ours.close()
    if options.has_server and options.has_bench and not options.no_table and not options.quick:
        write_table(ROOT / "docs/performance.md", lines)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
