#!/bin/sh
# Create .venv, or bring it up to date with the requirements beside this file. Called by `make env`.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "make env: $1; then run make again" >&2
    exit 1
}

version() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null; }

allowed() {
    case $(version "$1") in
        3.11.* | 3.12.* | 3.13.*) true ;;
        *) false ;;
    esac
}

find_python() {
    for python in python3 python3.13 python3.12 python3.11; do
        if allowed "$python"; then return; fi
    done
    found=$(version python3 || version python || true)
    fail "doubt runs on Python 3.11, 3.12 or 3.13, and there is ${found:+only Python }${found:-no Python} on your PATH: \
install one of them (Debian, Ubuntu: apt-get install python3 python3-venv python3-dev; macOS: brew install python@3.13)"
}

if allowed .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=.venv/bin/python
else
    find_python
fi

# fairseq comes as source code: its extensions need a C++ compiler and Python's headers.
compiler=$("$python" -c 'import os, sysconfig; print(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")')
if ! echo 'int main() { return 0; }' | $compiler -x c++ -fsyntax-only - 2>/dev/null; then
    fail "fairseq is compiled while it is installed, and there is no working C++ compiler '$compiler' on your PATH: \
install one (Debian, Ubuntu: apt-get install g++; macOS: xcode-select --install)"
fi
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
if ! [ -e "$headers/Python.h" ]; then
    fail "fairseq is compiled while it is installed, and Python $(version "$python") lacks its header files: \
install them (Debian, Ubuntu: apt-get install python3-dev)"
fi

if [ "$python" != .venv/bin/python ]; then
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        fail "Python $(version "$python") lacks its venv module: \
install it (Debian, Ubuntu: apt-get install python3-venv)"
    fi
    echo "make env: creating .venv with Python $(version "$python"); this takes some minutes"
    "$python" -m venv --clear .venv
fi

install() { .venv/bin/python -m pip install --constraint envs/constraints.txt "$@"; }
install pip
install --build-constraint envs/constraints.txt --requirement envs/requirements.txt \
    --requirement envs/requirements-dev.txt
# The command `indoubt`, which runs what lies here.
install --no-deps --no-build-isolation --editable .
