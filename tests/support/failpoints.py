"""The failure points (common/failpoint.h) of the programs: which there are, by their sources, and what came of them, by their log."""
import re
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = {"worker": "heimdex-worker", "scheduler": "heimdex-scheduler", "supervisor": "heimdex-supervisor", "producer": "heimdex-submit",
            "ctl": "heimdexctl", "migrations": "heimdex-migrate"}
GUARD = "heimdex-guard"
MOMENTS = ("before_send", "before_commit", "after_commit")
# Where a transaction's name isn't a literal, and how the files beside it say the names.
NAMED_ELSEWHERE = {"scheduler/task.c": r'\.name = "([^"]+)"[^}]*\.ask =',
                   "ctl/connection.c": r'struct (?:query query|operation operation) = \{\s*(?:\.name = )?"([^"]+)"'}

Point = namedtuple("Point", "program name fails")  # fails: it has an error path
Hit = namedtuple("Hit", "program pid name action")


def _sources(folder):
    return sorted((ROOT / folder).glob("*.c"))


def transactions(folder):
    """The names of the transactions of a folder's program."""
    names = set()
    for path in _sources(folder):
        text = path.read_text()
        for literal, other in re.findall(r'hx_pg_tx_new\((?:"([^"]+)"|([^)]*))\)', text):
            if literal:
                names.add(literal)
            else:
                where = str(path.relative_to(ROOT))
                pattern = NAMED_ELSEWHERE.get(where)
                assert pattern, f"{where}: a transaction whose name the tests don't know: {other}"
                found = {name for beside in _sources(folder) for name in re.findall(pattern, beside.read_text())}
                assert found, where
                names |= found
    return names


def of_transaction(name):
    stem = re.sub(r"[^a-z0-9_.]", "_", name)
    return [f"{stem}.{moment}" for moment in MOMENTS]


def declared():
    """All points, sorted by program and name."""
    points = []
    for folder, program in PROGRAMS.items():
        for name in transactions(folder):
            points += [Point(program, of, True) for of in of_transaction(name)]
        for path in _sources(folder):
            whose = GUARD if path.name == "guard_main.c" else program
            points += [Point(whose, name, not here) for here, name in re.findall(r'HX_FAIL(_HERE)?\("([^"]+)"\)', path.read_text())]
    # The one transaction that lib/pg makes by itself; only the scheduler listens.
    points += [Point(PROGRAMS["scheduler"], name, True) for name in of_transaction("listen")]
    assert len({point[:2] for point in points}) == len(points), "two points of one name"
    return sorted(points)


def armed(points, action):
    return ",".join(f"{point.program}/{point.name}:{action}" for point in points)


def hits(path):
    """All hits of a log; action is None where nothing was done."""
    if not Path(path).exists():
        return []
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return [Hit(program, int(pid), name, action[0] if action else None) for program, pid, name, *action in lines]


def built_in(binaries):
    return b"HEIMDEX_FAIL_ONCE" in Path(binaries.path("heimdex-worker")).read_bytes()
