# Read by the scripts beside it: finds a Python, makes `.venv` in the checkout and installs shipway there.
# Works on a bare Debian or Ubuntu, where `python3-venv` and `pip` may both be missing.

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; say ""; shift; for hint in "$@"; do say "hint: $hint"; done; exit 1; }

root=$(cd "$(dirname "$0")/.." && pwd)
venv="$root/.venv"

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The system's own Python comes first: other users of this machine can run it too.
find_python() {
    for candidate in "${PYTHON:-}" /usr/bin/python3 python3 python3.14 python3.13 python3.12 /usr/bin/python3.11 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate" && { command -v "$candidate"; return; }
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"; else return 1; fi
}

apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    # Lists may be absent (a fresh container) or old; asking again is cheap and needs no answer from anybody.
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get update -qq </dev/null >/dev/null || say "note: apt-get update did not succeed"
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

# An environment with pip in it: by the standard library, by the host's pip, by virtualenv, or by installing what is missing.
make_venv() {
    "$python" -m venv "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
    if "$python" -m pip --version >/dev/null 2>&1 && "$python" -m venv --without-pip "$venv" >/dev/null 2>&1; then
        "$python" -m pip --python "$venv/bin/python" install --quiet pip </dev/null >&2 && return
        rm -rf "$venv"
    fi
    "$python" -m virtualenv --quiet "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
    say "note: this Python cannot make environments yet; installing python3-venv"
    version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if apt_install "$version" || apt_install python3-venv; then
        "$python" -m venv "$venv" >&2 && return
    fi
    rm -rf "$venv"
    fail "\`$python\` can make no virtual environment, and nothing could be installed" \
        "ask an administrator for \`apt-get install python3-venv\`, or install pip or virtualenv for \`$python\`"
}

# set_up EXTRAS: `.venv` with shipway from this checkout; does nothing when it is there for this very pyproject.toml.
set_up() {
    python=$(find_python) || fail "no Python 3.11 or later was found" "install python3 (Debian 12, Ubuntu 24.04), or name one in PYTHON"
    wanted="$root$1 $(cksum <"$root/pyproject.toml")"
    [ -x "$venv/bin/shipway" ] && [ "$(cat "$venv/.shipway-setup" 2>/dev/null)" = "$wanted" ] && return
    say "Setting up $venv with $python"
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && new_enough "$venv/bin/python" || { rm -rf "$venv"; make_venv; }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root$1" </dev/null >&2 \
        || fail "shipway could not be installed into \`$venv\`" "see pip's message above; a proxy or index is configured as for any pip"
    printf '%s\n' "$wanted" >"$venv/.shipway-setup"
}
