"""The system calls that Python does not wrap. Loaded on first use: `ctypes` costs milliseconds."""

from __future__ import annotations

import ctypes
import errno
import os

RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)

# f_type of statfs(2), from linux/magic.h and the kernels' own headers.
_MAGIC = {
    0xEF53: "ext4",
    0x01021994: "tmpfs",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x794C7630: "overlay",
    0x2FC12FC1: "zfs",
    0xF2F52010: "f2fs",
    0xCA451A4E: "bcachefs",
    0x6969: "nfs",
    0xFF534D42: "cifs",
    0xFE534D42: "smb2",
    0x517B: "smbfs",
    0x01021997: "9p",
    0x5346414F: "afs",
    0x6B414653: "afs",
    0x0BD00BD0: "lustre",
    0x00C36400: "ceph",
    0x47504653: "gpfs",
    0x19830326: "beegfs",
    0x65735546: "fuse",
    0x4D44: "vfat",
    0x2011BAB0: "exfat",
    0x5346544E: "ntfs",
    0x7366746E: "ntfs3",
    0x858458F6: "ramfs",
    0x73717368: "squashfs",
}


def _raise(path: str | None = None) -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), path)


def syncfs(fd: int) -> None:
    """Wait until the file system of `fd` is on disk; begun again when a signal interrupts it (syncfs(2))."""
    while _libc.syncfs(ctypes.c_int(fd)) != 0:
        if ctypes.get_errno() != errno.EINTR:
            _raise()


def start_writeback(fd: int, offset: int, size: int) -> None:
    """sync_file_range(2) with SYNC_FILE_RANGE_WRITE; whatever it answers, the later sync decides."""
    _libc.sync_file_range(
        ctypes.c_int(fd), ctypes.c_int64(offset), ctypes.c_int64(size), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE)
    )


def renameat2(source: str, target: str, flags: int) -> bool:
    """Rename with flags; False where the C library, the kernel or the file system does not know them (renameat2(2))."""
    call = getattr(_libc, "renameat2", None)
    if call is None:
        return False
    while call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags)) != 0:
        code = ctypes.get_errno()
        if code in (errno.EINVAL, errno.ENOSYS):
            return False
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code), source, None, target)
    return True


def filesystem_type(path: str) -> str:
    """The kind of file system below `path`."""
    # struct statfs is 120 bytes on 64-bit Linux and begins with `long f_type`.
    result = ctypes.create_string_buffer(512)
    while _libc.statfs(os.fsencode(path), result) != 0:
        if ctypes.get_errno() != errno.EINTR:
            _raise(path)
    magic = ctypes.c_long.from_buffer(result).value & 0xFFFFFFFF
    return _MAGIC.get(magic, hex(magic))


_PR_SET_PDEATHSIG = 1


def set_parent_death_signal(number: int) -> None:
    """prctl(2) PR_SET_PDEATHSIG: the kernel sends us signal `number` when the thread that forked us ends."""
    if _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0) != 0:
        _raise()
