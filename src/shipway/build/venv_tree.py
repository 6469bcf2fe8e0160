"""The skeleton of the Python environment: what `python -m venv --without-pip` makes, for an interpreter that is inside.

Format of `pyvenv.cfg`: Python's `site` module. No pip: packages come as trees.
"""

from __future__ import annotations

import os
import posixpath
import re

from shipway.archive.extract import Extractor
from shipway.build.wheel_tree import EPOCH
from shipway.core.errors import SpecError
from shipway.core.manifest import Manifest
from shipway.core.text import shown

_PYTHON = re.compile(r"3\.\d{1,3}\Z", re.ASCII)
_EXECUTABLE = re.compile(r"(/[A-Za-z0-9._+-]+)+\Z", re.ASCII)


def make_venv(
    root: str, *, python: str, executable: str, prefix: str = "/opt/venv", system_site_packages: bool = False
) -> Manifest:
    """Make the environment in the empty directory `root` and say what is there.

    Args:
        root: the directory.
        python: `3.11`.
        executable: absolute path of the interpreter inside.
        prefix: where the environment is inside; absolute.
        system_site_packages: whether it sees the interpreter's own packages.

    Raises:
        SpecError: `python` or `executable` is no version or path.
    """
    if not _PYTHON.match(python) or not _EXECUTABLE.match(executable):
        raise SpecError(
            f"cannot make a Python environment for `{shown(python)}` at `{shown(executable)}`",
            hints=("write the version as `3.11`; the interpreter's path must be absolute",),
        )
    at = prefix.strip("/")
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    extractor = Extractor(root_fd, "python environment")
    try:
        extractor.ensure_directory(f"{at}/lib/python{python}/site-packages", EPOCH)
        extractor.ensure_directory(f"{at}/include", EPOCH)
        extractor.symlink(f"{at}/lib64", "lib", EPOCH)
        extractor.symlink(f"{at}/bin/python", executable, EPOCH)
        for name in ("python3", f"python{python}"):
            extractor.symlink(f"{at}/bin/{name}", "python", EPOCH)
        config = render_pyvenv(python, executable, system_site_packages=system_site_packages)
        extractor.file(f"{at}/pyvenv.cfg", [config.encode()], 0o644, EPOCH)
        for name, text in _ACTIVATE.items():
            extractor.file(f"{at}/bin/{name}", [text.replace("@PREFIX@", "/" + at).encode()], 0o644, EPOCH)
        return extractor.finish()
    finally:
        extractor.close()
        os.close(root_fd)


def render_pyvenv(python: str, executable: str, *, system_site_packages: bool) -> str:
    """The text of `pyvenv.cfg`. `home` is where Python looks for its own library."""
    seen = "true" if system_site_packages else "false"
    return (
        f"home = {posixpath.dirname(executable)}\ninclude-system-site-packages = {seen}\n"
        f"version = {python}\nexecutable = {executable}\n"
    )


_SH = """\
# Use with: . @PREFIX@/bin/activate
deactivate () {
    if [ -n "${_OLD_VIRTUAL_PATH+set}" ]; then
        PATH=$_OLD_VIRTUAL_PATH
        export PATH
        unset _OLD_VIRTUAL_PATH
    fi
    if [ -n "${_OLD_VIRTUAL_PYTHONHOME+set}" ]; then
        PYTHONHOME=$_OLD_VIRTUAL_PYTHONHOME
        export PYTHONHOME
        unset _OLD_VIRTUAL_PYTHONHOME
    fi
    unset VIRTUAL_ENV
    hash -r 2>/dev/null
    [ "$1" = keep ] || unset -f deactivate
}
deactivate keep
VIRTUAL_ENV=@PREFIX@
_OLD_VIRTUAL_PATH=$PATH
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH
if [ -n "${PYTHONHOME+set}" ]; then
    _OLD_VIRTUAL_PYTHONHOME=$PYTHONHOME
    unset PYTHONHOME
fi
hash -r 2>/dev/null
"""
_FISH = """\
# Use with: source @PREFIX@/bin/activate.fish
function deactivate
    if set -q _OLD_VIRTUAL_PATH
        set -gx PATH $_OLD_VIRTUAL_PATH
        set -e _OLD_VIRTUAL_PATH
    end
    if set -q _OLD_VIRTUAL_PYTHONHOME
        set -gx PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME
        set -e _OLD_VIRTUAL_PYTHONHOME
    end
    set -e VIRTUAL_ENV
    test "$argv[1]" = keep; or functions -e deactivate
end
deactivate keep
set -gx VIRTUAL_ENV @PREFIX@
set -g _OLD_VIRTUAL_PATH $PATH
set -gx PATH $VIRTUAL_ENV/bin $PATH
if set -q PYTHONHOME
    set -g _OLD_VIRTUAL_PYTHONHOME $PYTHONHOME
    set -e PYTHONHOME
end
"""
_CSH = """\
# Use with: source @PREFIX@/bin/activate.csh
alias deactivate 'setenv PATH "$_OLD_VIRTUAL_PATH"; unset _OLD_VIRTUAL_PATH; unsetenv VIRTUAL_ENV; unalias deactivate; rehash'
if ( $?_OLD_VIRTUAL_PATH ) setenv PATH "$_OLD_VIRTUAL_PATH"
setenv VIRTUAL_ENV "@PREFIX@"
set _OLD_VIRTUAL_PATH = "$PATH"
setenv PATH "${VIRTUAL_ENV}/bin:${PATH}"
rehash
"""
_ACTIVATE = {"activate": _SH, "activate.fish": _FISH, "activate.csh": _CSH}
