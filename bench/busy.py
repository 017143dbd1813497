"""What another program on the machine costs: a small search on mr with smollm2, alone and beside a busy loop.

    ./dev bench busy [--json] [--data FOLDER]

The loop holds one processor, to which it is pinned. The same is run with the waiting OpenMP has by itself (its threads
spin for milliseconds instead of going to sleep), and each three times in turns; medians count. ${HONE_DATA} or --data
names the data sets' folder.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from lib import places

ROOT = pathlib.Path(__file__).resolve().parent.parent
HONE = ROOT / "build/bin/hone"
SPINNING = {"GOMP_SPINCOUNT": "300000"}
LONGEST = 600  # seconds
RUNS = 3


@contextlib.contextmanager
def busy_loop():
    processor = max(os.sched_getaffinity(0))
    loop = subprocess.Popen(["timeout", str(LONGEST), sys.executable, "-c", "while True: pass"],
                            preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
    try:
        yield
    finally:
        loop.terminate()
        loop.wait()


def search_seconds(data, folder, waiting):
    """Of the search, without opening the model."""
    command = [HONE, "optimize", "--signature", "text -> label: enum(positive, negative)",
               "--instructions", "Decide whether the movie review is positive or negative.",
               "--train", data / "train.jsonl", "--val", data / "dev.jsonl", "--test", data / "test.jsonl",
               "--limit", "train=20,val=20,test=20", "--metric", "exact_match:label", "--model", "smollm2",
               "--optimizer", "bootstrap_random_search", "--candidates", "2", "--seed", "1",
               "--out", pathlib.Path(folder) / "busy.hone.json", "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LONGEST,
                          env=os.environ | waiting)
    return json.loads(done.stdout)["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--data", default=str(places.DATA))
    options = parser.parse_args()
    data = pathlib.Path(options.data) / "mr"
    if not data.is_dir():
        sys.exit(f"there is no folder {data}; --data names where the data sets are")
    cases = {"alone_s": (contextlib.nullcontext, {}), "alone_spinning_s": (contextlib.nullcontext, SPINNING),
             "busy_s": (busy_loop, {}), "busy_spinning_s": (busy_loop, SPINNING)}
    seconds = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        search_seconds(data, folder, {})  # the model is tuned, and in memory
        for run in range(1, RUNS + 1):
            for name, (beside, waiting) in cases.items():
                with beside():
                    seconds[name].append(search_seconds(data, folder, waiting))
                print(f"run {run}, {name}: {seconds[name][-1]:.1f}", file=sys.stderr)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    if options.json:
        print(json.dumps(medians))
        return
    for name, taken in seconds.items():
        print(f"{name:17} {medians[name]:6.1f} ({min(taken):.1f}-{max(taken):.1f})")


if __name__ == "__main__":
    main()
