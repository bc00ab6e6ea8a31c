"""Handlers that do what none should: they alone suffer. The worker they run in goes on, other jobs beside them end as ever."""
import json
import signal

import pytest

from support.gate import gate  # noqa: F401
from support.handlers import DAEMON, FORGETFUL, QUICK_RETRIES, TERM_DEAF, pids_in, python, sh
from support.process import alive, memory_kb, state_of
from support.wait import until


def honest(jobs):
    """A few jobs of others."""
    return jobs.batch([{"type": "mock_process"}] * 20 + [{"type": "honest"}] * 3)


HONEST = sh("honest", """echo '{"result":"honest"}'""")


def check_honest(jobs, ids):
    jobs.wait(ids)
    assert {(row["status"], row["attempt"], row["crash_count"]) for row in map(jobs.row, ids)} == {("succeeded", 1, 0)}


OK = ("succeeded", 1, None)
ODD = {
    # what it does: status, attempt, error code, result
    "closes stdin": ("os.close(0); print('{\"result\":1}')", *OK, 1),
    "closes stdout": ("print('{\"result\":1}', flush=True); os.close(1); time.sleep(0.3); sys.stderr.write('still here')", *OK, 1),
    "closes everything": ("[os.close(fd) for fd in (0, 1, 2)]; time.sleep(0.3); os._exit(3)", "dead_letter", 2, "exit_3", None),
    "writes to stdin": ("os.write(0, b'x' * 100000)", *OK, None),
    "garbage": ("os.write(1, os.urandom(300000)); print('\\n{\"result\":1}')", *OK, 1),
    "half lines": ("[(os.write(1, part), time.sleep(0.1)) for part in (b'{\"resu', b'lt\":', b'{\"n\":1', b'}}\\n')]", *OK, {"n": 1}),
    "no line end": ("os.write(1, b'{\"result\":1}')", *OK, 1),
    "NULs": ("os.write(1, bytes(100000) + b'\\n'); os.write(2, bytes(100000)); print('{\"result\":1}')", *OK, 1),
    "a line of 50 MB": ("[os.write(1, b'{' * 1000000) for _ in range(50)]; print('\\n{\"result\":1}')", *OK, 1),
    "messages of nonsense": ("[print('{\"stage\":%d}' % i) for i in range(100000)]; print('{\"result\":1}')", *OK, 1),
    "TERM to itself": ("os.kill(0, signal.SIGTERM); time.sleep(60)", "dead_letter", 2, "SIGTERM", None),
    "a signal without a name": ("os.kill(os.getpid(), 40); time.sleep(60)", "dead_letter", 2, "SIG40", None),
    "a group of its own": ("os.fork() == 0 and (os.setpgid(0, 0), time.sleep(1000)); print('{\"result\":1}')", *OK, 1),
}


@pytest.mark.quick
@pytest.mark.asan
def test_odd_ends_of_its_pipes(fleet, jobs):
    one = fleet(workers=1, handlers=[python("odd", max_attempts=2, timeout="2m", **QUICK_RETRIES), HONEST])
    pids = one.worker_pids()
    big = "x" * 900_000
    ids = dict(zip(ODD, jobs.batch([{"type": "odd", "payload": {"do": case[0], "big": big if "stdin" in name else ""}} for name, case in ODD.items()])))
    check_honest(jobs, others := honest(jobs))
    jobs.wait(ids.values())
    rows = {name: jobs.row(id) for name, id in ids.items()}
    assert {name: (row["status"], row["attempt"], row["last_error_code"], jobs.result(ids[name])) for name, row in rows.items()} == {
        name: case[1:] for name, case in ODD.items()}
    for name in ("a line of 50 MB", "messages of nonsense"):
        lines = [line for line in one.log().splitlines() if ids[name] in line]
        assert len(lines) < 10_000
    assert one.worker_pids() == pids
    fleet.check.update(acks=[*ids.values(), *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_floods(fleet, jobs, tmp_path):
    """They go on for as long as the test likes. Meanwhile everybody else's jobs come and go, and the worker doesn't grow."""
    gate = tmp_path / "gate"
    flood = f"""line = (%s) * 1000
n = 0
while n < %d or not os.path.exists({str(gate)!r}):
    n += os.write(1, line)
    n += os.write(2, line)
sys.stdout.write('\\n' + json.dumps(dict(result='flooded')) + '\\n')"""
    kinds = [("b'x' * 79 + b'\\n'", 100_000_000), ("bytes(80)", 100_000_000), ("b'{\"progress\":7}\\n'", 5_000_000),
             ("b'{\"stage\":\"a\"}\\n{\"stage\":\"b\"}\\n'", 5_000_000), ("b'{\"other\":[1,{}]}\\n'", 5_000_000)]
    one = fleet(workers=1, handlers=[python("flood", timeout="5m"), HONEST, sh("slow", "sleep 60", timeout="300ms", max_attempts=1)])
    pid, = one.worker_pids()
    ids = jobs.batch([{"type": "flood", "payload": {"do": flood % kind}} for kind in kinds])
    until(lambda: len(one.events("job.started")) == len(kinds), what="all flood")
    others = []
    for _ in range(3):
        others += (round := honest(jobs))
        check_honest(jobs, round)
    slow = jobs.submit("slow")
    jobs.wait(slow)
    assert jobs.row(slow)["last_error_code"] == "timeout"
    assert jobs.status(ids[0]) == "running"
    gate.touch()
    jobs.wait(ids, seconds=120)
    assert [(jobs.status(id), jobs.result(id)) for id in ids] == [("succeeded", "flooded")] * len(ids)
    assert all(jobs.events(id)[-1][2]["output_truncated"] for id in ids[:2])
    assert one.worker_pids() == [pid]
    print(f"worker: {memory_kb(pid)} KB at most")
    if "asan" not in one.binaries.path(""):
        assert memory_kb(pid) < 100_000
    for id in ids:
        lines = [line for line in one.log().splitlines() if id in line]
        assert sum(map(len, lines)) < 8_000_000
    fleet.check.update(acks=[*ids, *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_handlers_that_will_not_end(fleet, jobs, tmp_path):
    """Deaf to TERM, or gone into a group that isn't their own, or both: each is ended, and nothing of it is left."""
    pids = {name: tmp_path / name for name in ("deaf", "deserter", "deaf.deserter")}
    desert = "os.setpgid(0, os.getppid()); open({!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    one = fleet(workers=1, handlers=[sh("deaf", TERM_DEAF.format(pids=pids["deaf"])), python("deserter"), HONEST], jobs={"kill_grace": "300ms"})
    workers = one.worker_pids()
    ids = [jobs.submit("deaf")] + jobs.batch([
        {"type": "deserter", "payload": {"do": desert.format(str(pids["deserter"]))}},
        {"type": "deserter", "payload": {"do": "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + desert.format(str(pids["deaf.deserter"]))}}])
    until(lambda: all(pids_in(path) for path in pids.values()), what="they have begun")
    jobs.ctl("cancel", *ids)
    check_honest(jobs, others := honest(jobs))
    jobs.wait(ids, "canceled")
    until(lambda: not any(alive(pid) for path in pids.values() for pid in pids_in(path)), 5, "nothing of them is left")
    assert one.worker_pids() == workers
    fleet.check.update(acks=[*ids, *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_handlers_that_stop_themselves(fleet, jobs, tmp_path):
    """They are woken to hear the TERM, long before the KILL, and may tidy up."""
    pid, tidied = tmp_path / "pid", tmp_path / "tidied"
    one = fleet(workers=1, handlers=[sh("tidy", f"trap 'touch {tidied}; exit 0' TERM; echo $$ >{pid}; kill -STOP $$; exit 1"), HONEST,
                                     sh("alone", "kill -STOP $$", timeout="500ms", max_attempts=1),
                                     sh("group", "sleep 1000 & kill -STOP 0", timeout="500ms", max_attempts=1)], jobs={"kill_grace": "5m"})
    workers = one.worker_pids()
    tidy, alone, group = ids = [jobs.submit(type) for type in ("tidy", "alone", "group")]
    until(lambda: state_of(*pids_in(pid)) == "T", what="it stands still")
    jobs.ctl("cancel", tidy)
    check_honest(jobs, others := honest(jobs))
    jobs.wait(ids)
    assert jobs.status(tidy) == "canceled" and tidied.exists()
    for id in alone, group:
        assert (jobs.status(id), jobs.row(id)["last_error_code"], jobs.events(id)[-1][2]["signal"]) == ("dead_letter", "timeout", signal.SIGTERM)
    assert one.worker_pids() == workers
    fleet.check.update(acks=[*ids, *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_what_handlers_leave_behind(fleet, jobs, tmp_path):
    """Also what holds their stdout open: nobody waits for its end."""
    one = fleet(workers=1, handlers=[python("leaves", max_attempts=1), HONEST])
    workers = one.worker_pids()
    leave = {
        "daemon(lambda: time.sleep(1000))": 1,
        "daemon(lambda: " + FORGETFUL + ")": 1,
        "daemon(lambda: (daemon(lambda: time.sleep(1000)), time.sleep(1000)))": 2,
        "if os.fork() == 0: note(); time.sleep(1000)": 1,
        "if os.fork() == 0: os.setpgid(0, 0); note(); time.sleep(1000)": 1,
    }
    paths = [tmp_path / f"pids{i}" for i in range(len(leave))]
    ids = jobs.batch([{"type": "leaves", "payload": {"do": f"""{DAEMON.format(pids=str(path))}
note()
{script}
while len(open({str(path)!r}).readlines()) < 1 + {n}: time.sleep(0.01)"""}} for path, (script, n) in zip(paths, leave.items())])
    check_honest(jobs, others := honest(jobs))
    jobs.wait(ids)
    assert {(row["status"], row["attempt"]) for row in map(jobs.row, ids)} == {("succeeded", 1)}
    assert [len(pids_in(path)) for path in paths] == [1 + n for n in leave.values()]
    until(lambda: not any(alive(pid) for path in paths for pid in pids_in(path)), 10, "nothing of them is left")
    assert one.worker_pids() == workers
    fleet.check.update(acks=[*ids, *others], finished=True)


@pytest.mark.quick
def test_a_fork_bomb(fleet, jobs, tmp_path):
    """A small one, of the tame kind (all in its group) and of the wild (each a daemon). It ends as a whole."""
    tame, wild = tmp_path / "tame", tmp_path / "wild"
    bomb = """
for _ in range(7):
    os.fork()
note()
time.sleep(1000)"""
    shower = """
for _ in range(128):
    daemon(lambda: time.sleep(1000))
time.sleep(1000)"""
    one = fleet(workers=1, handlers=[python("bomb"), HONEST], jobs={"kill_grace": "100ms"})
    workers = one.worker_pids()
    ids = jobs.batch([{"type": "bomb", "payload": {"do": DAEMON.format(pids=str(path)) + script}} for path, script in ((tame, bomb), (wild, shower))])
    until(lambda: (len(pids_in(tame)), len(pids_in(wild))) == (128, 128), 60, "they have gone off")
    check_honest(jobs, others := honest(jobs))
    jobs.ctl("cancel", *ids)
    jobs.wait(ids, "canceled")
    until(lambda: not any(alive(pid) for pid in pids_in(tame) + pids_in(wild)), 20, "nothing of them is left")
    check_honest(jobs, more := honest(jobs))
    assert one.worker_pids() == workers
    fleet.check.update(acks=[*ids, *others, *more], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_more_tasks_than_it_may_have(fleet, jobs, tmp_path):
    """Processes in its group, daemons, threads: each run over tasks_max is killed as a whole, and says why. None of them is bounded otherwise."""
    pids = tmp_path / "pids"
    threads = "import threading\nfor _ in range(40): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\ntime.sleep(1000)"
    bombs = ["for _ in range(40): os.fork() or (note(), time.sleep(1000))\ntime.sleep(1000)",
             "for _ in range(40): daemon(lambda: time.sleep(1000))\ntime.sleep(1000)", "note()\n" + threads]
    one = fleet(workers=1, handlers=[python("bomb", tasks_max=20, max_attempts=1), HONEST])
    workers = one.worker_pids()
    scripts = [*bombs, "for _ in range(15): os.fork() or (time.sleep(0.5), os._exit(0))\nprint('{\"result\":1}')"]
    *ids, modest = jobs.batch([{"type": "bomb", "payload": {"do": DAEMON.format(pids=str(pids)) + script}} for script in scripts])
    check_honest(jobs, others := honest(jobs))
    jobs.wait([*ids, modest])
    assert (jobs.status(modest), jobs.result(modest)) == ("succeeded", 1)
    assert {(row["status"], row["last_error_code"], row["last_error_message"]) for row in map(jobs.row, ids)} == {
        ("dead_letter", "tasks_max", "more than 20 processes and threads")}
    until(lambda: not any(alive(pid) for pid in pids_in(pids)), 10, "nothing of them is left")
    assert one.worker_pids() == workers
    fleet.check.update(acks=[*ids, modest, *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_out_of_memory(fleet, jobs):
    """memory_max ends it, not the machine and not its neighbours."""
    one = fleet(workers=1, handlers=[python("greedy", memory_max="128M", max_attempts=1), HONEST])
    workers = one.worker_pids()
    at_once, bit_by_bit, modest = jobs.batch([{"type": "greedy", "payload": {"do": script}} for script in (
        "bytearray(1 << 30)", "held = []\nwhile True: held.append(bytearray(1 << 20))", "bytearray(1 << 20); print('{\"result\":1}')")])
    check_honest(jobs, others := honest(jobs))
    jobs.wait([at_once, bit_by_bit, modest])
    assert jobs.result(modest) == 1
    for id in at_once, bit_by_bit:
        row = jobs.row(id)
        assert (row["status"], row["last_error_code"]) == ("dead_letter", "exit_1")
        assert row["last_error_message"].startswith("the handler exited with 1 (memory_max 128M, ")
        assert jobs.events(id)[-1][2].get("max_rss_kb", 0) < 200_000
    assert jobs.events(bit_by_bit)[-1][2]["max_rss_kb"] > 64_000
    until(lambda: "MemoryError" in one.log(), what="its last words in the log")  # they come by the supervisor, their job's end doesn't
    assert one.worker_pids() == workers
    fleet.check.update(acks=[at_once, bit_by_bit, modest, *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_it_takes_its_worker_down(fleet, jobs, tmp_path):
    """Killed, or stopped: the supervisor starts another, the job counts a crash and runs again, its daemons are gone."""
    pids = tmp_path / "pids"
    script = DAEMON.format(pids=str(pids)) + f"""
if os.environ['HEIMDEX_ATTEMPT'] == '1':
    daemon(lambda: time.sleep(1000))
    daemon(lambda: {FORGETFUL})
    while not os.path.exists({str(pids)!r}) or len(open({str(pids)!r}).readlines()) < 2: time.sleep(0.01)
    os.kill(os.getppid(), SIGNO)
    time.sleep(1000)
print('{{"result":1}}')"""
    # A stopped one is killed by its supervisor, or declared lost by others where the supervisor was slow.
    for signo, codes in ((signal.SIGKILL, ["SIGKILL"]), (signal.SIGUSR1, ["SIGUSR1"]), (signal.SIGSTOP, ["SIGKILL", "WORKER_LOST"])):
        one = fleet(workers=1, handlers=[python("murder", **QUICK_RETRIES), HONEST], worker={"lease": "3s"}, jobs=QUICK_RETRIES)
        workers = one.worker_pids()
        id = jobs.batch([{"type": "murder", "payload": {"do": script.replace("SIGNO", str(int(signo)))}}])[0]
        jobs.wait(id, "succeeded")
        row = jobs.row(id)
        assert (row["attempt"], row["crash_count"], jobs.result(id)) == (2, 1, 1) and row["last_error_code"] in codes
        until(lambda: len(pids_in(pids)) == 2 and not any(alive(pid) for pid in pids_in(pids)), 10, "nothing of it is left")
        assert one.worker_pids() and one.worker_pids() != workers
        check_honest(jobs, honest(jobs))
        pids.unlink()
        assert one.stop() == 0
    fleet.check.update(finished=True)


@pytest.mark.quick
def test_it_kills_the_supervisor(fleet, jobs, tmp_path):
    """Its worker, its group and its daemon die, before the job starts again."""
    pids, daemons = tmp_path / "pids", tmp_path / "daemons"
    script = DAEMON.format(pids=str(daemons)) + f"""
if os.environ['HEIMDEX_ATTEMPT'] == '1':
    daemon(lambda: time.sleep(1000))
    while not os.path.exists({str(daemons)!r}): time.sleep(0.01)
    main = os.getpid()
    os.fork()
    note({str(pids)!r})
    while len(open({str(pids)!r}).readlines()) < 2: time.sleep(0.01)
    if os.getpid() == main: os.kill(int(open('/proc/%d/stat' % os.getppid()).read().rpartition(')')[2].split()[1]), signal.SIGKILL)
    time.sleep(1000)
def alive(pid):
    try: return open('/proc/' + pid + '/stat').read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError: return False
print(json.dumps({{'result': [pid for pid in open({str(daemons)!r}).read().split() if alive(pid)]}}))"""
    one = fleet(workers=1, handlers=[python("murder", **QUICK_RETRIES), HONEST], jobs=QUICK_RETRIES)
    workers = one.worker_pids()
    id = jobs.batch([{"type": "murder", "payload": {"do": script}}])[0]
    assert one.process.wait(20) == -signal.SIGKILL
    until(lambda: not any(alive(pid) for pid in [*workers, *pids_in(pids)]), 10, "worker and group are gone")
    one.start()
    jobs.wait(id, "succeeded")
    row = jobs.row(id)
    assert (row["attempt"], row["crash_count"], jobs.result(id)) == (2, 1, [])
    check_honest(jobs, others := honest(jobs))
    fleet.check.update(acks=[id, *others], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_its_signals_stop_nobody(fleet, jobs, gate):
    """A TERM to its worker or to the supervisor, by itself or by a child: whoever gets it sees from whom, and takes no notice."""
    script = f"""
worker = os.getppid()
supervisor = int(open('/proc/%d/stat' % worker).read().rpartition(')')[2].split()[1])
for _ in range(2):
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for pid in (worker, -worker, supervisor):
            os.kill(pid, signo)
    os.fork()
{gate.python}
print('{{"result":1}}')"""
    one = fleet(workers=1, handlers=[python("rude", max_attempts=1), HONEST])
    workers = one.worker_pids()
    id = jobs.batch([{"type": "rude", "payload": {"do": script}}])[0]

    def ignored():
        entries = [json.loads(line) for line in one.log().splitlines() if line.endswith("}") and ", ignoring" in line]
        return {(entry["service"], entry["message"].split()[0]) for entry in entries}
    until(lambda: len(ignored()) == 6, what="each of both has seen each of them")
    check_honest(jobs, others := honest(jobs))
    gate.open()
    jobs.wait(id)
    assert (jobs.status(id), jobs.result(id)) == ("succeeded", 1)
    assert one.worker_pids() == workers and one.status()["ready"]
    fleet.check.update(acks=[id, *others], finished=True)
