"""Hosts on one machine: a fleet in namespaces of its own, with another machine-id and host name, whose power can be cut and which can be
suspended as a whole. Root's."""
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from . import figures
from .process import kill_if_there, linked, state_of
from .wait import until


def wrap(directory, name, boottime=0, network=(), hidden=None):
    """The command before the supervisor's. boottime: seconds that the host's CLOCK_BOOTTIME is ahead. network: an Island's wrap. hidden: a folder
    that it has a file system of its own for."""
    machine_id = Path(directory) / f"machine-id-{name}"
    machine_id.write_text((name.encode().hex() * 32)[:32] + "\n")
    own = f"mount -t tmpfs none '{hidden}' && " if hidden else ""
    enter = own + f"mount --bind '{machine_id}' /etc/machine-id && hostname '{name}' && exec \"$@\""
    return [*network, "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--time", f"--boottime={boottime}", "sh", "-c", enter, "sh"]


def processes(fleet):
    """All of the fleet's host, its supervisor first."""
    first = fleet.pid
    return sorted(linked("ns/pid", os.readlink(f"/proc/{first}/ns/pid")), key=lambda pid: pid != first)


def vanish(fleet):
    """Its power is cut: all of its processes at once, by the kernel."""
    figures.fault()
    os.kill(fleet.pid, signal.SIGKILL)
    fleet.process.wait()


def _send(fleet, signo):
    for pid in processes(fleet):
        kill_if_there(pid, signo)


@contextmanager
def suspended(fleet, clock=None):
    """No process of the host runs on; its CLOCK_BOOTTIME does. clock: its support.clock.Monotonic, which doesn't count that time, as where a
    machine is suspended; else all its clocks go on, as where a container is frozen."""
    figures.fault()
    for _ in range(3):  # those too that were started meanwhile
        _send(fleet, signal.SIGSTOP)
    until(lambda: all(state_of(pid) in ("T", "Z", None) for pid in processes(fleet)), 10, "everything to stand still")
    began = time.monotonic()
    try:
        yield
    finally:
        if clock:
            clock.advance(began - time.monotonic())
        _send(fleet, signal.SIGCONT)
