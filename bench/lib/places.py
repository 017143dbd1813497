"""Where benchmarks find what is not part of the checkout. The environment is read at import."""

import os
import pathlib

_HOME = pathlib.Path.home()
_BESIDE = pathlib.Path(__file__).resolve().parents[3] / "shared"

# Of pulled models, as hone and ./dev place it.
CACHE = pathlib.Path(os.environ.get("HONE_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or _HOME / ".cache") / "hone")
# The data sets, a folder each with train.jsonl, dev.jsonl and test.jsonl.
DATA = pathlib.Path(os.environ.get("HONE_DATA") or _BESIDE / "data")
# llama/bin with llama.cpp's programs, venv with DSPy and optuna.
PEERS = pathlib.Path(os.environ.get("HONE_PEERS") or _HOME / ".cache/hone-peers")
# bench/dspy_compile.py.
SHARED = pathlib.Path(os.environ.get("HONE_SHARED") or _BESIDE)
