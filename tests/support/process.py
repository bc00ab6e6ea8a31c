"""What the kernel tells of a process. One that is gone has no state, no name and no children."""
import os
import signal
from pathlib import Path

from .wait import until

GONE = (FileNotFoundError, ProcessLookupError)


def stat_of(pid):
    """What stands in /proc/PID/stat behind its name, as words; none: there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except GONE:
        return []


def state_of(pid):
    """R, S, T …; None: there is no such process."""
    return next(iter(stat_of(pid)), None)


def alive(pid):
    """It is there, and more than a zombie."""
    return state_of(pid) not in (None, "Z", "X")


def cpu_seconds(pid, ended_children=False):
    """What it has used so far. ended_children: those too that it has waited for. 0 where it is gone: then it is among its parent's."""
    return sum(map(int, stat_of(pid)[11:15 if ended_children else 13])) / os.sysconf("SC_CLK_TCK")


def status_of(pid, field):
    """The number in a line of /proc/PID/status."""
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field + ":"))


def memory_kb(pid, field="VmHWM"):
    """VmRSS is what it has now, VmHWM the most that it ever had."""
    return status_of(pid, field)


def name_of(pid):
    """The first 15 characters of it."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except GONE:
        return ""


def children_of(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except GONE:
        return []


def threads_of(pid):
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except GONE:
        return []


def every():
    """The pids of all that we see."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def linked(link, target):
    """Every process whose /proc/PID/LINK (cwd, ns/pid) points there."""
    found = []
    for pid in every():
        try:
            if os.readlink(f"/proc/{pid}/{link}") == target:
                found.append(pid)
        except OSError:
            pass
    return found


def kill_if_there(pid, signo=signal.SIGKILL):
    """Whether it was: it may end by itself just now."""
    try:
        os.kill(pid, signo)
    except ProcessLookupError:
        return False
    return True


def kill_guard_and_freeze(supervisor, guard):
    """Freezes the supervisor first, or it would start another guard. The other way round doesn't do: a guard that is stopped goes on as soon as the
    supervisor is dead, since the kernel continues a process group that is orphaned by that."""
    os.kill(supervisor, signal.SIGSTOP)
    until(lambda: state_of(supervisor) == "T", what="the supervisor to stand still")
    os.kill(guard, signal.SIGKILL)
    until(lambda: not alive(guard), what="the guard's end")
