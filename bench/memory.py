"""Memory of `hone` beyond the model and the KV cache, of a real run: optimizing labels on mr with smollm2.

    ./dev bench memory [--json] [--verbose] [--data FOLDER] [--model FILE]

overhead_mb = peak resident memory of the process (the kernel's VmHWM) - the model's tensors, each once, in the format
of the file - the KV cache. Peak and not present memory, so that what loading needs counts as well; whatever is held
twice counts. llama_cpp_mb is the same of a program that only loads the model and fills the context (llama_memory.cpp),
with batches of 256 tokens, as tuning chooses them for hone where nothing speaks against it; own_mb is what hone adds. ${HONE_DATA} or --data names the data sets' folder.
"""

import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from lib import places

ROOT = pathlib.Path(__file__).resolve().parent.parent
CELLS = 8192
STEP_TOKENS = 256
MEGABYTE = 1e6


class Gguf:
    """As much of a GGUF file as its sizes need (the format: ggml's docs/gguf.md)."""

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        self.size = os.path.getsize(path)
        with open(path, "rb") as self.file:
            self.file.read(8)
            tensors, values = self.number("Q"), self.number("Q")
            self.values = {}
            for _ in range(values):
                name = self.text()
                self.values[name] = self.value(self.number("I"))
            for _ in range(tensors):
                self.text()
                for _ in range(self.number("I")):
                    self.number("Q")
                self.number("I"), self.number("Q")
            alignment = self.values.get("general.alignment", 32)
            self.tensor_bytes = self.size - (self.file.tell() + alignment - 1) // alignment * alignment

    def number(self, code):
        return struct.unpack("<" + code, self.file.read(struct.calcsize("<" + code)))[0]

    def text(self):
        return self.file.read(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(count)]
        return self.number(self.SCALARS[kind])

    def cell_bytes(self):
        """Keys and values of one token in 16-bit numbers."""
        of = lambda key: self.values[self.values["general.architecture"] + "." + key]
        heads = of("attention.head_count_kv")
        size = of("embedding_length") // of("attention.head_count")
        sizes = [self.values.get(self.values["general.architecture"] + ".attention." + key, size)
                 for key in ("key_length", "value_length")]
        return of("block_count") * heads * sum(sizes) * 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figure as one JSON object")
    parser.add_argument("--data", default=str(places.DATA))
    parser.add_argument("--model", default=None)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    model = options.model or str(places.CACHE / "models/smollm2-q4_0.gguf")
    data = pathlib.Path(options.data) / "mr"
    if not data.exists():
        sys.exit(f"bench memory: no data sets in {options.data}; name their folder with --data or HONE_DATA")
    if not os.path.exists(model):
        sys.exit(f"bench memory: no model {model}; run: build/bin/hone models pull smollm2")
    with tempfile.TemporaryDirectory() as folder:
        command = [ROOT / "build/bin/hone", "optimize", "--signature", "text -> label: enum(positive, negative)",
                   "--instructions", "Decide whether the movie review is positive or negative.",
                   "--train", data / "train.jsonl", "--val", data / "dev.jsonl", "--test", data / "test.jsonl",
                   "--limit", "train=40,val=40,test=40", "--metric", "exact_match:label", "--model", "gguf:" + model,
                   "--context", str(CELLS), "--optimizer", "bootstrap_random_search", "--candidates", "3", "--seed", "1",
                   "--out", pathlib.Path(folder) / "mr.hone.json", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit("bench memory: hone optimize failed")
    peak = usage.ru_maxrss * 1024 / MEGABYTE
    gguf = Gguf(model)
    tensors, cells = gguf.tensor_bytes / MEGABYTE, CELLS * gguf.cell_bytes() / MEGABYTE
    bare = subprocess.run([ROOT / "build/bin/bench_llama_memory", model, str(CELLS), str(STEP_TOKENS)], check=True,
                          stdout=subprocess.PIPE, text=True)
    overhead, llama_cpp = peak - tensors - cells, float(bare.stdout) - tensors - cells
    result = {"overhead_mb": round(overhead, 1), "llama_cpp_mb": round(llama_cpp, 1),
              "own_mb": round(overhead - llama_cpp, 1)}
    if options.verbose or not options.json:
        print(f"peak {peak:.1f} MB - model {tensors:.1f} MB - KV cache {cells:.1f} MB = {result['overhead_mb']} MB "
              f"(test score {json.loads(output)['test_after']}); llama.cpp by itself {result['llama_cpp_mb']} MB",
              file=sys.stderr)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
