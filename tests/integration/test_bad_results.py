"""What a handler says as its result can be anything. Where it can't be kept, its job fails with one line that says why; nobody beside it does."""
import pytest

from support.gate import gate  # noqa: F401
from support.handlers import QUICK_RETRIES, python, sh
from support.wait import until

HALF = "is half a character"
REFUSED = {
    # what it prints: in the message of its error
    r"""'{"result":"a\\u0000b"}'""": r"\u0000 is not allowed",
    r"""'{"result":{"a\\u0000b":1}}'""": r"\u0000 is not allowed",
    r"""'{"result":"a\0b"}'""": "control character 0x00",
    r"""'{"result":"' + 'x' * 100_000_000 + '"}'""": "longer than 1 MiB",
    r"""'{"ok":true,"result":[' + '1,' * 5_000_000 + '1]}'""": "longer than 1 MiB",
    r"""'{"result":"' + 'x' * 2_000_000""": "longer than 1 MiB",
    r"""'{"result":{"a":1,"b":{"c":2,"d":3,"c":4}}}'""": 'duplicate key "c"',
    r"""'{"result":1,"result":2}'""": 'duplicate key "result"',
    r"""'{"stage":"done","result":1,"r\\u0065sult":2}'""": 'duplicate key "result"',
    r"""'{"result":"\udcff"}'""": "not UTF-8",
    r"""'{"ok":true,"result":"\udcff"}'""": "not UTF-8",
    r"""'{ "\udcff":1, "result":1}'""": "not UTF-8",
    r"""'{"result":"\udced\udca0\udc80"}'""": "not UTF-8",
    r"""'{"result":"\\ud800"}'""": HALF,
    r"""'{"ok":true,"result":"\\udc00 and \\ud800"}'""": HALF,
    r"""'{"result":{"\\ud83dx":1}}'""": HALF,
    r"""'{"result":1e999999}'""": "number out of range",
    r"""'{"ok":true,"result":-1e999999}'""": "number out of range",
    r"""'{"result":' + '9' * 401 + '}'""": "number out of range",
    r"""'{"n":' + '9' * 401 + ',"result":1}'""": "number out of range",
    r"""'{"result":[' + '1e-16000,' * 99 + '0]}'""": "written out",
    r"""'{"result":NaN}'""": "where a value is expected",
    r"""'{"ok":true,"result":-Infinity}'""": "'-' without a number",
    r"""'{"result":' + '[' * 100_000 + ']' * 100_000 + '}'""": "nesting deeper than 64",
    r"""'{"ok":true, "result":' + '{"a":' * 100_000 + '1' + '}' * 100_000 + '}'""": "nesting deeper than 64",
    r"""'{"result":{"a":1,}}'""": "where a member name is expected",
    r"""'{"result":01}'""": "number that starts with 0",
    r"""'{"result":"\t"}'""": "control character 0x09",
    r"""'{"result":1}\n{"result":1e999}\n{"result":2}'""": "number out of range",
    r"""'{"snooze":"99999999999999999d"}'""": "snooze",
    r"""'{"snooze":"200000000d"}'""": "snooze",
    r"""'{"error":{"code":"x","retry_after":"200000000d"}}'""": "retry_after",
    r"""'{"error":{"code":7}}'""": "code and message must be strings",
}
SAY = r"sys.stdout.reconfigure(errors='surrogateescape'); sys.stdout.write({} + '\n')"
KEPT = {
    "'no result'": None,
    """'{"result":null}'""": None,
    """'{"result":5}'""": 5,
    """'{"result":"text"}'""": "text",
    """'{"result":[1,"é"]}'""": [1, "é"],
    """'{"result":{}}'""": {},
    """'{"result":1}\\n{"result":{"n":2}}\\n{"result":{"n":3}}'""": {"n": 3},
    """'  {"result":{"n":3}} \\r'""": {"n": 3},
    """'{"result":' + '[' * 60 + ']' * 60 + '}'""": eval("[" * 60 + "]" * 60),
    """'{"result":"' + 'x' * 1_000_000 + '"}'""": "x" * 1_000_000,
    """'{"result":1e300}'""": 10**300,
    """'{"result":["\\\\ud83d\\\\ude00","\\\\uffff"]}'""": ["\U0001f600", "\uffff"],
}


@pytest.mark.quick
@pytest.mark.asan
def test_a_result_that_cannot_be_kept(fleet, jobs):
    one = fleet(workers=1, handlers=[python("says", max_attempts=2, timeout="2m", **QUICK_RETRIES)])
    pids = one.worker_pids()
    said = [*REFUSED, *KEPT]
    ids = dict(zip(said, jobs.batch([{"type": "says", "payload": {"do": SAY.format(what)}} for what in said])))
    mates = jobs.batch([{"type": "mock_process"}] * 200)
    jobs.wait([*ids.values(), *mates], seconds=120)
    rows = {what: jobs.row(id) for what, id in ids.items()}
    assert {what: (rows[what]["status"], rows[what]["last_error_code"], rows[what]["attempt"]) for what in REFUSED} == dict.fromkeys(
        REFUSED, ("dead_letter", "bad_message", 1))
    for what, why in REFUSED.items():
        message = rows[what]["last_error_message"]
        assert why in message and "\n" not in message and len(message) < 200, what
        assert "result" not in jobs.events(ids[what])[-1][2]
    assert {what: rows[what]["status"] for what in KEPT} == dict.fromkeys(KEPT, "succeeded")
    assert {what: jobs.result(ids[what]) for what in KEPT} == KEPT
    assert {(row["status"], row["attempt"]) for row in map(jobs.row, mates)} == {("succeeded", 1)}
    assert one.worker_pids() == pids
    fleet.check.update(acks=[*ids.values(), *mates], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_a_result_that_the_database_refuses(fleet, jobs, migrated, gate):
    """It comes with others in one transaction, which fails until it is alone. Held back by a lock, all of them go together."""
    script = f"""{gate.python}
print(json.dumps({{'result': payload.get('result')}}))"""
    one = fleet(workers=1, handlers=[python("says", **QUICK_RETRIES)], worker={"slots": 24})
    pids = one.worker_pids()
    migrated.sql("""create function refuse() returns trigger language plpgsql as
                    $$ begin raise exception 'unsupported Unicode escape sequence' using errcode = '22P05'; end $$""")
    migrated.sql("create trigger refuse before insert on job_event for each row when (new.detail_json ->> 'result' = 'poison') execute function refuse()")
    results = ["poison" if i in (3, 11) else f"good {i}" for i in range(24)]
    ids = jobs.batch([{"type": "says", "payload": {"do": "payload = " + repr({"result": result}) + "\n" + script}} for result in results])
    until(lambda: len(one.events("job.started")) == 24, what="all run")
    with migrated.connect() as connection, connection.cursor() as cursor:
        cursor.execute("lock table job_event in exclusive mode")
        gate.open()
        until(lambda: len(one.events("job.ended")) == 24, what="all have ended")
        connection.rollback()
    mates = jobs.batch([{"type": "mock_process"}] * 50)
    jobs.wait([*ids, *mates])
    rows = [jobs.row(id) for id in ids]
    assert [jobs.result(id) for id in ids] == [None if result == "poison" else result for result in results]
    assert [(row["status"], row["attempt"], row["last_error_code"], row["last_error_message"]) for row in rows] == [
        ("dead_letter", 1, "22P05", "unsupported Unicode escape sequence") if result == "poison" else ("succeeded", 1, None, None)
        for result in results]
    assert {(row["status"], row["attempt"]) for row in map(jobs.row, mates)} == {("succeeded", 1)}
    assert one.worker_pids() == pids
    until(lambda: "22P05" in one.log(), what="it is said")  # what a worker logs comes by the supervisor
    fleet.check.update(acks=[*ids, *mates], finished=True)


@pytest.mark.quick
@pytest.mark.asan
def test_a_stage_that_the_database_refuses(fleet, jobs, migrated):
    """It is left out, and the job it belongs to and those beside it go on."""
    one = fleet(workers=1, handlers=[sh("staged", """for s in one poison two; do echo '{"stage":"'$s'"}'; done""")])
    migrated.sql("create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '23514'; end $$")
    migrated.sql("create trigger refuse before insert on job_event for each row when (new.detail_json ->> 'stage' = 'poison') execute function refuse()")
    ids, mates = jobs.batch([{"type": "staged"}] * 10), jobs.batch([{"type": "mock_process", "payload": {"duration_ms": 50}}] * 20)
    jobs.wait([*ids, *mates])
    assert [jobs.stages(id) for id in ids] == [["one", "two"]] * 10
    assert {(row["status"], row["attempt"]) for row in map(jobs.row, [*ids, *mates])} == {("succeeded", 1)}
    until(lambda: "the database refuses a message: 23514: no, ignoring" in one.log(), what="it is said")
    fleet.check.update(acks=[*ids, *mates], finished=True)


@pytest.mark.quick
def test_a_result_after_the_deadline(fleet, jobs):
    """TERM came, and its last word with exit 0 is too late: somebody else may have been told that it ran out of time."""
    late = """trap 'echo "{\\"result\\":\\"late\\"}"; exit 0' TERM; sleep 1000 & wait"""
    fleet(workers=1, handlers=[sh("late", late, timeout="3s", max_attempts=1)])  # longer than a shell takes to set its trap
    id = jobs.submit("late")
    jobs.wait(id)
    row = jobs.row(id)
    assert (row["status"], row["last_error_code"], row["last_error_message"]) == ("dead_letter", "timeout", "ran longer than its timeout")
    assert jobs.result(id) is None and jobs.events(id)[-1][2]["exit_code"] == 0
