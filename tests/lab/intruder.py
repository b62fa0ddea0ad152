# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who runs code in a process of ours: makes it make system calls, by ptrace from
outside, where it stands and with the rights that it has then.

A call that its sandbox refuses would end the process; the end is kept from it, unless
asked for, so that one process can be asked everything."""
import ctypes
import errno
import os
import platform
import signal
import struct

PEEKTEXT, POKETEXT, CONT, GETREGS, SETREGS, ATTACH, DETACH = 1, 4, 7, 12, 13, 16, 17
CODE = b"\x0f\x05\xcc"  # syscall, int3
WALL = 0x40000000
NUMBERS = {  # x86_64
    "close": 3, "mmap": 9, "socket": 41, "connect": 42, "kill": 62, "fcntl": 72, "execve": 59,
    "ptrace": 101, "mount": 165, "init_module": 175, "setresuid": 117, "openat": 257,
    "unshare": 272, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308,
    "process_vm_readv": 310, "bpf": 321, "userfaultfd": 323, "pidfd_open": 434,
    "pidfd_getfd": 438, "io_uring_setup": 425, "keyctl": 250, "setuid": 105, "unlink": 87,
    "tgkill": 234, "rt_sigaction": 13, "chmod": 90, "link": 86, "symlink": 88, "sendto": 44}
POSSIBLE = platform.machine() == "x86_64"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long] * 2 + [ctypes.c_void_p] * 2


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in
                "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs "
                "eflags rsp ss fs_base gs_base ds es fs gs".split()]


class Refused(Exception):
    """By the sandbox: whoever does not keep it from the process has ended it."""


def _ptrace(request, pid, address=0, data=0):
    ctypes.set_errno(0)
    answer = _libc.ptrace(request, pid, address, data)
    if answer == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace({request}, {pid})")
    return answer


class Intruder:
    def __init__(self, pid):
        self.pid = pid
        self.before = Registers()

    def __enter__(self):
        _ptrace(ATTACH, self.pid)
        self._wait()
        _ptrace(GETREGS, self.pid, 0, ctypes.addressof(self.before))
        self.code = _ptrace(PEEKTEXT, self.pid, self.before.rip)
        patched = struct.unpack("<q", CODE + struct.pack("<q", self.code)[len(CODE):])[0]
        _ptrace(POKETEXT, self.pid, self.before.rip, patched)
        return self

    def __exit__(self, *_):
        if self.pid:
            _ptrace(POKETEXT, self.pid, self.before.rip, self.code)
            _ptrace(SETREGS, self.pid, 0, ctypes.addressof(self.before))
            _ptrace(DETACH, self.pid)

    def _wait(self):
        """The signal at which it stands."""
        _, status = os.waitpid(self.pid, WALL)
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"process {self.pid} is gone: status {status:#x}")
        return os.WSTOPSIG(status)

    def _outcome(self):
        """SIGTRAP: the call was made; SIGSYS: it was not. Other signals are the process's own."""
        sign = self._wait()
        while sign not in (signal.SIGTRAP, signal.SIGSYS):
            _ptrace(CONT, self.pid, 0, sign)
            sign = self._wait()
        return sign

    def call(self, name, *arguments):
        """What the call returned, 0 or more. OSError: it was refused by the kernel; Refused: by
        the sandbox. Bytes are laid down on its stack."""
        self._make(name, arguments)
        if self._outcome() == signal.SIGSYS:
            raise Refused(name)
        after = Registers()
        _ptrace(GETREGS, self.pid, 0, ctypes.addressof(after))
        result = ctypes.c_longlong(after.rax).value
        if -4096 < result < 0:
            raise OSError(-result, f"{name}: {errno.errorcode.get(-result)}")
        return result

    def call_and_end(self, name, *arguments):
        """The call is refused, and that is not kept from the process."""
        self._make(name, arguments)
        if self._outcome() != signal.SIGSYS:
            raise AssertionError(f"{name} was not refused")
        _ptrace(POKETEXT, self.pid, self.before.rip, self.code)
        _ptrace(DETACH, self.pid, 0, signal.SIGSYS)
        self.pid = 0

    def _make(self, name, arguments):
        registers = Registers.from_buffer_copy(self.before)
        place = (self.before.rsp - 4096) & ~15
        values = []
        for argument in arguments:
            if isinstance(argument, bytes):
                with open(f"/proc/{self.pid}/mem", "r+b", 0) as memory:
                    memory.seek(place)
                    memory.write(argument + bytes(8))
                values.append(place)
                place += (len(argument) + 23) & ~15
            else:
                values.append(argument & 2 ** 64 - 1)
        for register, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values):
            setattr(registers, register, value)
        registers.rax = NUMBERS[name]
        registers.orig_rax = 2 ** 64 - 1  # else the kernel would make the one before once more
        _ptrace(SETREGS, self.pid, 0, ctypes.addressof(registers))
        _ptrace(CONT, self.pid)
