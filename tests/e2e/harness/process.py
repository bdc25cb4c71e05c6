"""What a process uses, read from /proc."""
import os
import pathlib
import time


def serving_pid(running):
    """The process that serves: the supervisor's child where there is a supervisor."""
    find = getattr(running, "wait_gateway_pid", None)
    return find() if find else running.process.pid


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slope(points):
    """The least-squares slope of (x, y) points: y per x. Robust against a single step only with many points."""
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points))
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return over / sum((x - mean_x) ** 2 for x, _ in points)


def wait_for(holds, seconds=10, pause=0.02):
    """Waits until `holds()` is true; the time it took, or None when it never was."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if holds():
            return time.monotonic() - began
        time.sleep(pause)
    return time.monotonic() - began if holds() else None
