"""Changes of owner, file capabilities, ACLs and devices: asked for inside, written down outside, answered "done".

seccomp hands each such call to this process (linux/seccomp.h, user notification). The file meant is opened as the caller of the
call would reach it and held open, so what is recorded at the end is where the file is then: a script that makes `shadow+`, gives
it to a group and renames it to `shadow` is understood. Nothing here is a boundary: a process that lies about its own paths
while they are read only spoils its own record.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import stat
import struct

from . import filter as filters
from . import paths, syscalls

_NOTIFICATION = struct.Struct("<QIIiIQ6Q")
_ANSWER = struct.Struct("<QqiI")
_RECEIVE, _SEND, _ID_VALID = 0xC0502100, 0xC0182101, 0x40082102
_CONTINUE = 1
_SPARE_FDS = 64
_LONGEST_PATH, _LONGEST_NAME, _LONGEST_VALUE = 4096, 256, 65536
_SHORTEST_ACL = 28
"""Bytes of an ACL with owner, group and others only."""
_RECORDED_ATTRIBUTES = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
_DELETED = " (deleted)"
_NO_SHORT_ID = 0xFFFF
_SHORT_ID_CALLS = frozenset({"chown", "lchown", "fchown"})
"""On 32-bit architectures these take ids of 16 bits."""


class Call:
    """One notified system call."""

    def __init__(self, data: bytes):
        self.id, self.pid, _, self.number, self.arch, _, *arguments = _NOTIFICATION.unpack(data)
        self.arguments: list[int] = arguments
        self.name = filters.name_of_call(self.arch, self.number)

    def integer(self, index: int) -> int:
        """Argument `index` as the signed 32-bit integer that descriptors and ids are."""
        value = self.arguments[index] & 0xFFFFFFFF
        return value - (1 << 32) if value >= 1 << 31 else value

    def owner_id(self, index: int) -> int:
        """A user or group id; -1 for no change."""
        if self.arch in (filters.I386, filters.ARM) and self.name in _SHORT_ID_CALLS:
            value = self.arguments[index] & 0xFFFF
            return -1 if value == _NO_SHORT_ID else value
        return -1 if self.integer(index) == -1 else self.arguments[index] & 0xFFFFFFFF


class _Record:
    """What is known about one file. `fd` holds it; -1 once `path` had to be fixed early."""

    __slots__ = ("attributes", "fd", "gid", "path", "uid")

    def __init__(self, fd: int):
        self.fd = fd
        self.path = ""
        self.uid = -1
        self.gid = -1
        self.attributes: dict[str, bytes] = {}


class Recorder:
    """Serves one listener and remembers."""

    def __init__(self, listener: int, *, merged_root: str | None = None, translated: bool = False):
        """`merged_root`: the tree that stands for the root where nothing is mounted.

        `translated`: PRoot stands between: absolute paths of the calls are below `merged_root`, the processes' root is not.
        """
        self.listener = listener
        self.open = True
        self.notes: list[str] = []
        self._prefix = os.path.realpath(merged_root).rstrip("/") if merged_root else ""
        self._translated = translated
        self._records: dict[tuple[int, int], _Record] = {}
        self._devices: dict[str, tuple[int, int]] = {}
        self._held = 0
        self._root = -1
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._most_held = max(hard if hard > 0 else 1 << 16, 2 * _SPARE_FDS) - _SPARE_FDS

    def serve(self, event: int) -> None:
        """Answer one call, if there is one."""
        if not event & select.POLLIN:
            self.open = False
            return
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # the caller was killed meanwhile
                return
            raise
        call = Call(bytes(buffer))
        flags, number = 0, 0
        try:
            flags = self._handle(call)
        except OSError as error:
            number = error.errno or errno.EIO
        self._answer(call, flags, number)

    def _answer(self, call: Call, flags: int, number: int) -> None:
        try:
            fcntl.ioctl(self.listener, _SEND, _ANSWER.pack(call.id, 0, -number, flags))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def _handle(self, call: Call) -> int:
        """Record `call`; returns the answer's flags. Raises `OSError` for the errno the caller gets."""
        if call.name in filters.OWNER_CALLS:
            self._chown(call)
        elif call.name in filters.XATTR_CALLS:
            return self._set_attribute(call)
        elif call.name in filters.DEVICE_CALLS:
            self._make_device(call)
        elif call.name in filters.WHO_ALL_CALLS:
            self._tell_ids(call)
        return 0

    def _tell_ids(self, call: Call) -> None:
        """Real, effective and saved id are 0."""
        short = call.arch in (filters.I386, filters.ARM) and not call.name.endswith("32")
        try:
            fd = os.open(f"/proc/{call.pid}/mem", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise OSError(errno.ESRCH, "", "") from error
        try:
            self._still_asked(call)
            for address in call.arguments[:3]:
                os.pwrite(fd, bytes(2 if short else 4), address)
        except OverflowError as error:
            raise OSError(errno.EFAULT, "", "") from error
        finally:
            os.close(fd)

    def _chown(self, call: Call) -> None:
        match call.name:
            case "fchown" | "fchown32":
                fd, first = self._open_fd(call, call.integer(0)), 1
            case "fchownat":
                fd, first = self._open_at(call, call.integer(0), call.arguments[1], call.integer(4)), 2
            case "lchown" | "lchown32":
                fd, first = (
                    self._open_at(call, syscalls.AT_FDCWD, call.arguments[0], syscalls.AT_SYMLINK_NOFOLLOW),
                    1,
                )
            case _:
                fd, first = self._open_at(call, syscalls.AT_FDCWD, call.arguments[0], 0), 1
        found = self._check(fd)
        record = self._record(fd, found)
        uid, gid = call.owner_id(first), call.owner_id(first + 1)
        record.uid = record.uid if uid == -1 else uid
        record.gid = record.gid if gid == -1 else gid
        record.attributes.pop("security.capability", None)
        _drop_special_bits(record.fd, found)

    def _set_attribute(self, call: Call) -> int:
        at = call.name == "setxattrat"
        name = self._text(call, call.arguments[3 if at else 1], _LONGEST_NAME)
        if name not in _RECORDED_ATTRIBUTES:
            return _CONTINUE
        if at:
            address, size = struct.unpack("<QI", self._memory(call, call.arguments[4], 12))
            fd = self._open_at(call, call.integer(0), call.arguments[1], call.integer(2))
        else:
            address, size = call.arguments[2], call.arguments[3] & 0xFFFFFFFF
            nofollow = syscalls.AT_SYMLINK_NOFOLLOW if call.name == "lsetxattr" else 0
            fd = (
                self._open_fd(call, call.integer(0))
                if call.name == "fsetxattr"
                else self._open_at(call, syscalls.AT_FDCWD, call.arguments[0], nofollow)
            )
        found = self._check(fd)
        value = self._memory(call, address, min(size, _LONGEST_VALUE)) if size else b""
        if name == "system.posix_acl_access" and len(value) <= _SHORTEST_ACL:
            # It says no more than a mode does. Told that there are no ACLs here, programs such as cp fall back to chmod.
            os.close(fd)
            raise OSError(errno.EOPNOTSUPP, "", "")
        self._record(fd, found).attributes[name] = value
        return 0

    def _make_device(self, call: Call) -> None:
        shift = 1 if call.name == "mknodat" else 0
        directory = call.integer(0) if shift else syscalls.AT_FDCWD
        path = self._text(call, call.arguments[shift], _LONGEST_PATH)
        head, _, name = path.rstrip("/").rpartition("/")
        if not name:
            raise OSError(errno.EEXIST, "", path)
        parent = self._resolve(call, directory, head or ("/" if path.startswith("/") else "."), 0)
        try:
            inside = f"{self._inside(os.readlink(f'/proc/self/fd/{parent}')).rstrip('/')}/{name}"
            if os.path.lexists(f"/proc/self/fd/{parent}/{name}") or inside in self._devices:
                raise OSError(errno.EEXIST, "", path)
        finally:
            os.close(parent)
        mode, device = call.arguments[shift + 1] & 0xFFFF, call.arguments[shift + 2] & 0xFFFFFFFF
        self._devices[inside] = (mode, device)

    def _check(self, fd: int) -> os.stat_result:
        """What `fd` is on; closes it and raises EROFS where the real call would."""
        found = os.fstat(fd)
        if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            os.close(fd)
            raise OSError(errno.EROFS, "", "")
        return found

    def _record(self, fd: int, found: os.stat_result) -> _Record:
        key = (found.st_dev, found.st_ino)
        record = self._records.pop(key, None)
        if record is None:
            record = _Record(fd)
            self._held += 1
        elif record.fd == -1:
            record.fd, record.path = fd, ""
            self._held += 1
        else:
            os.close(fd)
        self._records[key] = record  # last: the order of the dictionary is the order of the last changes
        if self._held > self._most_held:
            self._let_go()
        return record

    def _let_go(self) -> None:
        """Too many files are held: fix the paths of the older half now."""
        wanted = self._most_held // 2
        for record in self._records.values():
            if record.fd == -1:
                continue
            if self._held <= wanted:
                return
            record.path = self._current_path(record.fd)
            os.close(record.fd)
            record.fd = -1
            self._held -= 1

    def _open_fd(self, call: Call, number: int) -> int:
        try:
            fd = os.open(f"/proc/{call.pid}/fd/{number}", syscalls.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise OSError(errno.EBADF, "", "") from error
        self._still_asked(call)
        return fd

    def _open_at(self, call: Call, directory: int, address: int, flags: int) -> int:
        path = self._text(call, address, _LONGEST_PATH) if address else ""
        if not path:
            if not flags & syscalls.AT_EMPTY_PATH:
                raise OSError(errno.ENOENT, "", "")
            if directory != syscalls.AT_FDCWD:
                return self._open_fd(call, directory)
            path = "."
        return self._resolve(call, directory, path, flags)

    def _resolve(self, call: Call, directory: int, path: str, flags: int) -> int:
        """Open `path` as the process `call.pid` sees it."""
        nofollow = flags & syscalls.AT_SYMLINK_NOFOLLOW
        if self._translated and f"{path}/".startswith(
            f"{self._prefix}/"
        ):  # PRoot has seen the call before us
            path = path.removeprefix(self._prefix) or "/"
        number = own_descriptor(path, call.pid)
        if number is not None and not nofollow:
            return self._open_fd(call, number)
        process_root = f"/proc/{call.pid}/root"
        prefix = self._prefix if self._translated else os.readlink(process_root).rstrip("/")
        if not path.startswith("/"):
            link = (
                f"/proc/{call.pid}/cwd"
                if directory == syscalls.AT_FDCWD
                else f"/proc/{call.pid}/fd/{directory}"
            )
            base = os.readlink(link)
            if base != prefix and not base.startswith(f"{prefix}/"):
                raise OSError(errno.ENOENT, "", base)
            path = f"{base.removeprefix(prefix)}/{path}"
        root = os.open(
            self._prefix if self._translated else process_root,
            syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC,
        )
        self._still_asked(call)
        try:
            return paths.open_in_root(root, path, syscalls.O_PATH | (os.O_NOFOLLOW if nofollow else 0))
        finally:
            if self._root == -1:
                self._root = root
            else:
                os.close(root)

    def _text(self, call: Call, address: int, limit: int) -> str:
        data = self._memory(call, address, limit)
        end = data.find(b"\0")
        if end < 0:
            raise OSError(errno.ENAMETOOLONG, "", "")
        return os.fsdecode(data[:end])

    def _memory(self, call: Call, address: int, size: int) -> bytes:
        """Up to `size` bytes of the calling process, fewer where its mapping ends. Raises EFAULT, ENOENT if it is gone."""
        try:
            fd = os.open(f"/proc/{call.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise OSError(errno.ESRCH, "", "") from error
        try:
            data = os.pread(fd, size, address)
        except (OSError, OverflowError) as error:
            raise OSError(errno.EFAULT, "", "") from error
        finally:
            os.close(fd)
        self._still_asked(call)
        return data

    def _still_asked(self, call: Call) -> None:
        """The process number may have been given to another meanwhile: then nothing read from it counts."""
        fcntl.ioctl(self.listener, _ID_VALID, call.id.to_bytes(8, "little"))

    def finish(
        self,
    ) -> tuple[list[tuple[str, int, int]], list[tuple[str, str, bytes]], list[tuple[str, int, int]]]:
        """Everything recorded: (path, uid, gid), (path, attribute, value), (path, mode, device), sorted by path."""
        owners: dict[str, tuple[int, int]] = {}
        attributes: dict[tuple[str, str], bytes] = {}
        for record in self._records.values():
            path = record.path if record.fd == -1 else self._current_path(record.fd)
            if not path:
                continue
            uid, gid = owners.get(path, (-1, -1))
            merged = (uid if record.uid == -1 else record.uid, gid if record.gid == -1 else record.gid)
            if merged != (-1, -1):
                owners[path] = merged
            attributes.update({(path, name): value for name, value in record.attributes.items()})
        return (
            [(path, *owner) for path, owner in sorted(owners.items())],
            [(path, name, value) for (path, name), value in sorted(attributes.items())],
            [(path, *device) for path, device in sorted(self._devices.items())],
        )

    def _current_path(self, fd: int) -> str:
        """Where the held file is now, '' if it is nowhere."""
        path = os.readlink(f"/proc/self/fd/{fd}")
        found = os.fstat(fd)
        if not path.startswith("/"):
            return ""
        if path.endswith(_DELETED):
            name = self._inside(path.removesuffix(_DELETED))
            return _other_name(self._root, name, found) if found.st_nlink and self._root != -1 else ""
        return self._inside(path)

    def _inside(self, path: str) -> str:
        """A path as processes inside name it."""
        return path.removeprefix(self._prefix) or "/"


def own_descriptor(path: str, pid: int) -> int | None:
    """The N of `/proc/self/fd/N` and its other spellings, which mean the calling process and not us."""
    for prefix in ("/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/", f"/proc/{pid}/fd/"):
        rest = path.removeprefix(prefix)
        if rest != path and rest.isascii() and rest.isdigit():
            return int(rest)
    return {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}.get(path)


def _other_name(root: int, path: str, found: os.stat_result) -> str:
    """A file whose name was removed but that a hard link in the same directory still names; '' if there is none."""
    head = os.path.dirname(path)
    try:
        directory = paths.open_in_root(root, head, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return ""
    try:
        for name in os.listdir(directory):
            other = os.lstat(name, dir_fd=directory)
            if (other.st_dev, other.st_ino) == (found.st_dev, found.st_ino):
                return f"{head.rstrip('/')}/{name}"
    finally:
        os.close(directory)
    return ""


def _drop_special_bits(fd: int, found: os.stat_result) -> None:
    """A real change of owner takes setuid, and setgid where the group may execute, off a file (chown(2))."""
    mode = found.st_mode
    gone = stat.S_ISUID | (stat.S_ISGID if mode & stat.S_IXGRP else 0)
    if stat.S_ISREG(mode) and mode & gone and fd != -1:
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(mode & ~gone))
