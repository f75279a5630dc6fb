"""Takes from a reader process what reading needs not: environment, network, other programs, new privileges.

Everything here is for the process that calls it, and cannot be undone in it. The environment goes on every system.
Network and other programs are refused by a seccomp filter on Linux, on x86-64 and ARM64; elsewhere they are not.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER, _ALL_THREADS = 1, 1  # include/uapi/linux/seccomp.h
_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0001, 0x8000_0000  # the second is EPERM as the call's result
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32_CALLS = 0x4000_0000  # the numbers from which on x86-64 kernels take calls of another convention

# Numbers of refused system calls: socket, connect, bind, sendto, sendmsg, socketpair; execve, execveat; ptrace,
# process_vm_readv, process_vm_writev; unshare, setns, mount; bpf, keyctl, io_uring_setup (which opens sockets too).
_REFUSED_CALLS: Final = {
    "x86_64": (
        0xC000_003E,
        317,
        (41, 42, 49, 44, 46, 53, 59, 322, 101, 310, 311, 272, 308, 165, 321, 250, 425),
    ),
    "aarch64": (
        0xC000_00B7,
        277,
        (198, 203, 200, 206, 211, 199, 221, 281, 117, 270, 271, 97, 268, 40, 280, 219, 425),
    ),
}


class _Program(ctypes.Structure):
    """The kernel's ``struct sock_fprog``: how many instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def is_network_filter_supported() -> bool:
    """Whether this system can refuse network and other programs to a reader process."""
    return sys.platform == "linux" and platform.machine() in _REFUSED_CALLS and sys.maxsize > 2**32


def clear_environment() -> None:
    """Forget all environment variables, and blank the memory in which the kernel shows those of the start."""
    os.environ.clear()
    if sys.platform != "linux":
        return
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
        start, end = int(fields[47]), int(fields[48])  # env_start and env_end of proc(5), counted behind the name
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)


def refuse_network() -> bool:
    """Refuse sockets, other programs and new privileges to this process for good; return whether that holds."""
    if not is_network_filter_supported():
        return False
    architecture, seccomp, refused = _REFUSED_CALLS[platform.machine()]
    program = _build_filter(architecture, refused)
    buffer = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    loaded = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p).value)
    result: int = libc.syscall(seccomp, _SECCOMP_SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(loaded))
    return result == 0


def _build_filter(architecture: int, refused: tuple[int, ...]) -> bytes:
    """Return a BPF program over ``struct seccomp_data``, which holds the call's number and then the architecture."""
    count = len(refused)
    instructions = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_AT_LEAST, count + 1, 0, _X32_CALLS),
        *((_JUMP_IF_EQUAL, count - place, 0, number) for place, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
