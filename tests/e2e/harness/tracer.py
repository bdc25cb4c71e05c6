"""Holds one thread of another process still, in the middle of its work: what no signal can do. By ptrace, where allowed."""
import contextlib
import ctypes
import os
import platform
import time

SEIZE, INTERRUPT, SYSCALL, DETACH, GET_SYSCALL_INFO = 0x4206, 0x4207, 24, 17, 0x420E
WALL = 0x40000000
ENTRY = 1
TRACESYSGOOD = 1  # without it the kernel does not tell system calls from other stops
RECVFROM = {"x86_64": 45, "aarch64": 207}.get(platform.machine())

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class NotAllowed(Exception):
    pass


def ptrace(request, thread, address=0, data=0):
    result = libc.ptrace(request, thread, address, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")
    return result


def system_call_entered(thread):
    """Its number when the thread is about to make one, else None."""
    info = (ctypes.c_uint8 * 88)()
    ptrace(GET_SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.addressof(info))
    return int.from_bytes(bytes(info[24:32]), "little") if info[0] == ENTRY else None


def step_to_receive(thread, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(thread, WALL | os.WNOHANG)[0] == 0:
            time.sleep(0.0005)
        elif system_call_entered(thread) == RECVFROM:
            return
        else:
            ptrace(SYSCALL, thread)
    raise AssertionError(f"thread {thread} received nothing for {seconds} s")


def let_go(thread, seconds=10):
    """A thread that was killed meanwhile holds up the end of its process until it is waited for."""
    try:
        ptrace(DETACH, thread)
    except OSError:
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(thread, WALL | os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
                time.sleep(0.005)


@contextlib.contextmanager
def held_in_receive(thread):
    """Within, the thread stands still where it was about to receive bytes. It must have some to receive soon."""
    if RECVFROM is None:
        raise NotAllowed("the numbers of system calls of this machine are not known here")
    try:
        ptrace(SEIZE, thread, 0, TRACESYSGOOD)
        ptrace(INTERRUPT, thread)
    except OSError as fault:
        raise NotAllowed(str(fault)) from fault
    try:
        step_to_receive(thread)
        yield
    finally:
        let_go(thread)


def threads(pid):
    return sorted(int(thread) for thread in os.listdir(f"/proc/{pid}/task"))
