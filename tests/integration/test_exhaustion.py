"""What a process needs runs out: the n-th call for a descriptor, a process, memory or room on a disk fails, for every n until no call is left
(tests/shim). Whatever a program makes of it, jobs are done once, and nothing is lost."""
import json
import subprocess
from pathlib import Path

import pytest

from support import figures
from support.process import alive, kill_if_there
from support.wait import until

pytestmark = pytest.mark.release  # the sanitizers' own library wants to be the first one
SHIM = Path(__file__).resolve().parent.parent / "shim" / "shim.c"
CODES = (0, 64, 66, 69, 70, 71, 73, 74, 75, 78)


@pytest.fixture(scope="session")
def library(workdir):
    made = workdir / "shim.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", made, SHIM], check=True)
    return made


class Shim:
    """The n-th call fails in each process of that name; the next process takes the next number."""

    def __init__(self, library, folder, program, kind, step=1):
        self.folder, self.env = folder, {"LD_PRELOAD": library, "HX_SHIM": f"{program}:{kind}:{folder}"}
        folder.mkdir()
        self.next(1)
        (folder / "step").write_text(str(step))

    def next(self, n):
        (self.folder / "n").write_text(str(n))

    @property
    def n(self):
        """Of the next process. One that takes it just now leaves the file empty for a moment."""
        return int(until(lambda: (self.folder / "n").read_text()))

    def disarm(self):
        (self.folder / "step").write_text("0")
        self.next(0)

    def fired(self):
        return {int(path.suffix[1:]): path.read_text() for path in self.folder.glob("fired.*")}


def numbers(n):
    """1, 2, 3 … and from 40 on in ever larger steps."""
    return n + 1 if n < 40 else n + max(1, n // 10)


@pytest.mark.parametrize("kind", ["files", "processes", "disk", pytest.param("memory", marks=pytest.mark.sweep)])
def test_submit(binaries, jobs, library, tmp_path, kind, fleet):
    """One job by one process; what it acknowledges is there, and whatever it says is one line."""
    shim = Shim(library, tmp_path / "shim", "heimdex-submit", kind)
    n, clean, acks = 1, 0, []
    while clean < 3:
        shim.next(n)
        done = binaries.run("heimdex-submit", "mock_process", "--key", f"{kind} {n}", env={**jobs.env, **shim.env}, check=False)
        assert done.stderr.count("\n") <= 1, (n, shim.fired().get(n), done)
        assert done.returncode in CODES or kind == "memory", (n, shim.fired().get(n), done)  # without memory some library may end us
        assert bool(done.stdout) == (done.returncode == 0), (n, shim.fired().get(n), done)
        acks += done.stdout.splitlines()[:1]  # behind it libsasl may say "no olist"
        clean = 0 if n in shim.fired() else clean + 1
        n = numbers(n)
    figures.counts["faults"] += len(shim.fired())
    fleet()
    jobs.wait(acks, "succeeded")
    fleet.check.update(acks=acks)


def run_through(fleet, jobs, shim, program, pid, rounds):
    """Jobs are done with each number, one process after the other, until three in a row come through without that call, or so many times.
    Then with all calls, and the fleet ends as any other."""
    one = fleet(workers=1, env=shim.env, start=False, worker={"slots": 4}, jobs={"max_attempts": 100, "max_crashes": 100, "backoff_base": "10ms", "backoff_max": "50ms"},
                supervisor={"restart_backoff_max": "50ms"},
                handlers=[{"type": "hello", "exec": ["/bin/sh", "-c", "cat >/dev/null; echo '{\"result\": {}}'"]}])
    acks, first, clean = [], shim.n, 0

    def again():
        if not one.process or one.process.poll() is not None:
            one.start(wait=False)
        return True

    def end():
        current = until(lambda: again() and pid(one), 20, f"{program} runs")
        kill_if_there(current)
        until(lambda: not alive(current), 20, f"{program} has ended")

    for _ in range(rounds):
        ids = jobs.batch([{"type": "hello"}, {"type": "mock_process"}, {"type": "hello"}])
        acks += ids
        until(lambda: again() and jobs.wait(ids, "succeeded", 0) is None, 40, f"jobs are done, {shim.fired()}")
        last = shim.n - 1
        clean = 0 if set(range(first, last + 1)) & set(shim.fired()) else clean + 1
        if clean == 3:
            break
        first = numbers(last)
        shim.next(first)
        end()
    figures.counts["faults"] += len(shim.fired())
    print(f"{program}, {len(shim.fired())} calls failed: {json.dumps(sorted(set(shim.fired().values())))}")
    shim.disarm()
    end()
    until(lambda: again() and one.status()["ready"], 30, "ready for its end")
    assert one.stop() == 0
    fleet.check.update(acks=acks, finished=True)


PIDS = {"heimdex-worker": lambda one: one.worker_pids()[0], "heimdex-scheduler": lambda one: one.children("scheduler")[0]["pid"],
        "heimdex-supervisor": lambda one: one.process.pid}


QUICK = [("heimdex-worker", "files"), ("heimdex-supervisor", "files")]
SWEPT = [("heimdex-scheduler", "files"), *((program, kind) for program in PIDS for kind in ("processes", "memory")),
         ("heimdex-worker", "disk"), ("heimdex-supervisor", "disk")]


@pytest.mark.parametrize("program, kind", [*QUICK, *(pytest.param(*one, marks=pytest.mark.sweep) for one in SWEPT)])
def test_fleet(fleet, jobs, library, tmp_path, program, kind):
    shim = Shim(library, tmp_path / "shim", program, kind)
    run_through(fleet, jobs, shim, program, PIDS[program], 40 if kind == "memory" else 200)  # memory is asked for without end
    assert shim.fired()
