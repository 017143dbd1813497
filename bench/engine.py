"""The embedded engine against llama-server and against what the hardware can do, in one run.

    ./dev bench engine [--json] [--quick] [--clock cpu] [--threads N] [--data FOLDER]

Workloads come from real data (mr, svamp, hotpotqa); ${HONE_DATA} or --data names its folder. Peers
(llama-server, llama-bench, llama-batched-bench) are looked for in ${HONE_PEERS:-~/.cache/hone-peers}/llama/bin.
Every figure is taken three times; what is printed is the median, the table also holds minimum and maximum.
With --clock cpu processor seconds on one thread are compared instead of time: what to use on a busy machine.
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

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "build/bin/bench_engine"
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

    # Twenty candidates: one instruction and four demos in common, then five families of growing demo lists. They
    # come in no order of kinship and race in blocks of five examples, as hone's evaluator has them.
    demo_lists = [train[:4] + train[10 + family * 4:10 + family * 4 + length]
                  for family in range(5) for length in range(1, 5)]
    random.Random(1).shuffle(demo_lists)
    blocks = [[reviews(demos, dev[first:first + 5]) for demos in demo_lists]
              for first in range(0, max(10, requests // 10), 5)]
    return [
        {"name": "label8", "rounds": [[reviews(train[:8], dev[:requests])]]},
        {"name": "label24", "rounds": [[reviews(train[:24], dev[:requests])]]},
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
        bodies = [{"prompt": fixed + text + candidate["forced"], "cache_prompt": True, "temperature": 0,
                   "n_predict": 1 if "labels" in candidate else candidate["max_tokens"],
                   "stop": candidate.get("stop", [])} for text in candidate["inputs"]]
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


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def run_ours(workloads, model, options):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(workloads, file)
        file.flush()
        command = [BENCH, file.name, model, "--repeat", str(options.repeat), "--threads", str(options.threads)]
        if options.tuning:
            command += ["--tuning", options.tuning]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    results = {}
    for line in lines:
        result = json.loads(line)
        results.setdefault(result["name"], []).append(result)
    return results


def best_server(workload, model, peers, options):
    """Every slot count and flash attention on a part of the work, then the best on all of it."""
    part = dict(workload, rounds=[[dict(candidate, inputs=candidate["inputs"][:max(4, options.requests // 5)])
                                   for candidate in round_[:4]] for round_ in workload["rounds"]])
    trials = {}
    for flash in ["on", "off"]:
        for slots in options.slots:
            server = Server(peers / "llama-server", model, slots, max(4096, 2048 * slots), options.threads, flash)
            try:
                trials[(slots, flash)] = server.run(part, options.clock)[0]
            finally:
                server.close()
    slots, flash = min(trials, key=trials.get)
    server = Server(peers / "llama-server", model, slots, max(4096, 2048 * slots), options.threads, flash)
    try:
        runs = [server.run(workload, options.clock) for _ in range(options.repeat)]
    finally:
        server.close()
    return {"seconds": [run[0] for run in runs], "generated": runs[0][1], "slots": slots, "flash": flash}


def prefill_rate(model, peers, options):
    """Seconds a token at mean context x, as a + b x: the faster of flash attention on and off."""
    command = [peers / "llama-bench", "-m", model, "-t", str(options.threads), "-p", "512", "-n", "0", "-ub", "512",
               "-fa", "0,1", "-d", "0,512,2048", "-r", "2", "-o", "json"]
    points = {}
    for row in json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout):
        x = row["n_depth"] + 256
        points[x] = min(points.get(x, 1e9), 1 / row["avg_ts"])
    return sorted(points.items())


def at(points, x):
    """Linear between the measured points and beyond the last."""
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x <= x1:
            break
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def decode_rate(model, peers, depth, options):
    """Seconds a token, by width."""
    best = {}
    for flash in ["on", "off"]:
        command = [peers / "llama-batched-bench", "-m", model, "-t", str(options.threads), "-c", "16384", "-b", "2048",
                   "-ub", "512", "-kvu", "-pps", "-npp", str(depth), "-ntg", "32", "-npl", "8,16,32,64", "-fa", flash,
                   "--output-format", "jsonl"]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                best[row["pl"]] = min(best.get(row["pl"], 1e9), 1 / row["speed_tg"])
    return best


def efficiency(runs, prefill, decode_times):
    result = runs[0]
    prompt = result["prompt_tokens"] / result["requests"]
    prompt_computed = result["computed_tokens"] - max(0, result["generated_tokens"] - result["requests"])
    least = prompt_computed * at(prefill, prompt)
    if result["generated_tokens"]:
        least += result["generated_tokens"] * min(decode_times.values())
    return [least / run["seconds"] for run in runs]


def write_table(path, lines):
    begin, end = "<!-- bench engine -->", "<!-- end of bench engine -->"
    text = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    block = begin + "\n" + "\n".join(lines) + "\n" + end
    if begin in text:
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.S)
    else:
        text += "\n## The embedded engine\n\n" + block + "\n"
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the medians as one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer requests, one repetition, fewer server settings")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", default=os.environ.get("HONE_DATA", str(ROOT.parent / "shared/data")))
    parser.add_argument("--model", default=None)
    parser.add_argument("--only", default="", help="comma-separated workloads")
    parser.add_argument("--tuning", default="")
    parser.add_argument("--no-table", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    options.repeat = 1 if options.quick else 3
    options.requests = 30 if options.quick else 100
    options.slots = [1, 4] if options.quick else [1, 2, 4, 8, 16]
    if options.clock == "cpu":
        options.threads = 1
    cache = pathlib.Path(os.environ.get("HONE_CACHE", pathlib.Path.home() / ".cache/hone"))
    model = options.model or str(cache / "models/smollm2-q4_0.gguf")
    data = pathlib.Path(options.data)
    if not (data / "mr").exists():
        sys.exit(f"bench engine: no data sets in {data}; name their folder with --data or HONE_DATA")
    if not os.path.exists(model):
        sys.exit(f"bench engine: no model {model}; run: build/bin/hone models pull smollm2")
    peers = pathlib.Path(os.environ.get("HONE_PEERS", pathlib.Path.home() / ".cache/hone-peers")) / "llama/bin"
    workloads = make_workloads(data, options.requests)
    if options.only:
        workloads = [workload for workload in workloads if workload["name"] in options.only.split(",")]

    ours = run_ours(workloads, model, options)
    key = "cpu_seconds" if options.clock == "cpu" else "seconds"
    figures, lines = {}, ["| workload | requests | ours, s | computed tokens | generated | of the hardware's limit | "
                          "llama-server, s | its best setting | times faster |", "|" + "---|" * 9]
    have_server = (peers / "llama-server").exists()
    have_bench = (peers / "llama-bench").exists() and (peers / "llama-batched-bench").exists()
    if not have_server or not have_bench:
        print(f"bench engine: peers are absent from {peers}: ours only", file=sys.stderr)
    prefill = prefill_rate(model, peers, options) if have_bench and options.clock == "wall" else None
    server_names = {"label8": "vs_server_label", "short": "vs_server_short", "long": "vs_server_long",
                    "prefix20": "vs_server_prefix20"}
    for workload in workloads:
        name = workload["name"]
        runs = ours[name]
        seconds = spread([run[key] for run in runs])
        cells = [name, str(runs[0]["requests"]), f"{seconds['median']:.2f} ({seconds['min']:.2f}-{seconds['max']:.2f})",
                 str(runs[0]["computed_tokens"]), str(runs[0]["generated_tokens"]), "", "", "", ""]
        if prefill and name in ("label8", "label24", "answer60"):
            depth = runs[0]["prompt_tokens"] // runs[0]["requests"]
            decode_times = decode_rate(model, peers, depth, options) if name == "answer60" else {}
            shares = spread(efficiency(runs, prefill, decode_times))
            figures["efficiency_" + name] = round(shares["median"], 3)
            cells[5] = f"{shares['median']:.2f} ({shares['min']:.2f}-{shares['max']:.2f})"
        if have_server and name in server_names:
            server = best_server(workload, model, peers, options)
            theirs = spread(server["seconds"])
            # Replies may differ in length where kernels differ in rounding: seconds a token are what is compared.
            work_ours = max(1, runs[0]["generated_tokens"]) if name == "long" else 1
            work_theirs = max(1, server["generated"]) if name == "long" else 1
            factor = (theirs["median"] / work_theirs) / (seconds["median"] / work_ours)
            figures[server_names[name]] = round(factor, 3)
            cells[6] = f"{theirs['median']:.2f} ({theirs['min']:.2f}-{theirs['max']:.2f})"
            cells[7] = f"-np {server['slots']} -fa {server['flash']}"
            cells[8] = f"{factor:.2f}"
        lines.append("| " + " | ".join(cells) + " |")
        if not options.json:
            print(lines[-1], flush=True)
    if not options.no_table and not options.only and not options.quick:
        write_table(ROOT / "docs/performance.md", lines)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
