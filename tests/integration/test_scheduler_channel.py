"""heimdex-scheduler and its supervisor: what goes over the channel between them, and the evidence that comes with a death."""
import array
import fcntl
import json
import os
import socket
import struct
import uuid

import pytest

from support.scheduler import add_claimed, add_worker, empty, scheduler  # noqa: F401
from support.wait import until

pytestmark = [pytest.mark.quick, pytest.mark.asan]

ENTRIES_AT, TAIL, ENTRIES = 32 + 4096 + 8, 4096, 4096


def evidence(entries):
    """A sealed memfd as the supervisor makes it (common/evidence.h): entries are (job, fence, state)."""
    fd = os.memfd_create("evidence", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    data = bytearray(ENTRIES_AT + ENTRIES * 32)
    struct.pack_into("=II", data, 0, 0x48584556, 1)
    for i, (job, fence, state) in enumerate(entries):
        data[ENTRIES_AT + 32 * i:ENTRIES_AT + 32 * i + 16] = uuid.UUID(job).bytes
        struct.pack_into("=iiII", data, ENTRIES_AT + 32 * i + 16, fence, 0, state, 0)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


class Channel:
    """The supervisor's end."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.settimeout(20)
        self.args = ["--channel-fd", self.theirs.fileno()]

    def send(self, message, fd=None):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.ours.sendmsg([json.dumps(message).encode()], ancillary)

    def expect(self, op):
        while True:
            message = json.loads(self.ours.recv(65536))
            if message["op"] == op:
                return message


@pytest.fixture
def channel():
    made = Channel()
    yield made
    made.ours.close()
    made.theirs.close()


def test_a_death_is_settled_by_its_evidence_and_answered(scheduler, migrated, channel):
    incarnation = str(uuid.uuid4())
    worker = add_worker(migrated, "main", incarnation)
    started, ended, untouched = add_claimed(migrated, worker, 3)
    scheduler(*channel.args, "--incarnation", incarnation, pass_fds=[channel.theirs.fileno()])
    channel.theirs.close()
    channel.expect("ready")
    death = {"op": "death", "death": 7, "worker": worker, "slot": 0, "pid": 4711, "code": "SIGSEGV", "message": "worker died by SIGSEGV",
             "detail": {"pid": 4711}}
    fd = evidence([(started, 1, 1), (ended, 1, 2), (untouched, 0, 1)])  # the last of an earlier claim
    channel.send(death, fd)
    assert channel.expect("answered") == {"op": "answered", "death": 7}
    rows = {row[0]: row[1:] for row in migrated.sql("select id::text, attempt, max_attempts, crash_count, last_error_code from job")}
    assert rows == {started: (1, 5, 1, "SIGSEGV"), ended: (1, 6, 0, None), untouched: (0, 5, 0, None)}
    assert empty(migrated, "claim")
    channel.send({**death, "death": 8}, fd)  # of a worker reaped already
    assert channel.expect("answered")["death"] == 8
    channel.send({**death, "death": 9, "worker": 0}, None)  # it died before it had a row
    assert channel.expect("answered")["death"] == 9
    os.close(fd)
    until(lambda: migrated.one("select count(*) from job where status = 'queued'") == 3)
    assert migrated.one("select count(*) from job_event where prev_status = 'running'") == 3


def test_it_says_when_postgresql_is_away_and_goes_on(scheduler, migrated, channel):
    one = scheduler(*channel.args, pass_fds=[channel.theirs.fileno()])
    channel.expect("ready")
    migrated.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'heimdex-scheduler%%' "
                 "and datname = current_database()")
    env = migrated.env
    assert channel.expect("waiting")["why"] == f"PostgreSQL at {env['PGHOST']}:{env['PGPORT']}"
    channel.expect("ready")
    job = migrated.one("select heimdex_submit('t')::text")
    until(lambda: empty(migrated, "outbox"))
    assert job and one.process.poll() is None


def test_it_says_that_kafka_is_away(scheduler, channel):
    one = scheduler(*channel.args, pass_fds=[channel.theirs.fileno()], extra={"KAFKA_BROKERS": "127.0.0.1:1"})
    channel.expect("ready")
    assert channel.expect("without") == {"op": "without", "why": "Kafka at 127.0.0.1:1"}
    assert one.process.poll() is None


def test_it_ends_when_the_supervisor_is_gone(scheduler, channel):
    one = scheduler(*channel.args, pass_fds=[channel.theirs.fileno()])
    channel.theirs.close()
    channel.expect("ready")
    channel.ours.close()
    assert one.process.wait(timeout=20) == 0


def test_it_waits_at_a_server_that_is_not_there_and_still_ends_in_time(scheduler, migrated, channel):
    one = scheduler(*channel.args, pass_fds=[channel.theirs.fileno()], extra={"PGPORT": "1", "PGHOST": "127.0.0.1"})
    assert channel.expect("waiting") == {"op": "waiting", "why": "PostgreSQL at 127.0.0.1:1", "detail": "Connection refused"}
    assert one.end() == 0


def test_another_schema_is_fatal(scheduler, migrated, channel):
    migrated.sql("update alembic_version set version_num = '3af4686817cc'")
    one = scheduler(*channel.args, pass_fds=[channel.theirs.fileno()])
    assert "heimdex-migrate upgrade head" in channel.expect("fatal")["why"]
    assert one.process.wait(timeout=20) == 78


def test_its_pulse_goes_on(scheduler, migrated):
    fd = evidence([])
    one = scheduler("--evidence-fd", fd, pass_fds=[fd]).ready()
    first = struct.unpack("=Q", os.pread(fd, 8, 8))[0]
    until(lambda: struct.unpack("=Q", os.pread(fd, 8, 8))[0] > first + 3)
    os.close(fd)
    assert one.process.poll() is None
