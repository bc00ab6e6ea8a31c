"""PostgreSQL or Kafka away: the unit starts, waits and says so."""
import re
import socket
from contextlib import contextmanager

import pytest

from support.proxy import Proxy
from support.wait import until


@contextmanager
def nobody():
    """A port that refuses connections as long as it isn't listened to."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        yield listener


def test_postgresql_is_away_at_the_start(service, env, jobs):
    with nobody() as listener:
        port = listener.getsockname()[1]
        service.configure(postgres={"port": port}).start_no_block()
        service.wait_status(f"starting: waiting for PostgreSQL at 127.0.0.1:{port} for ", " s: Connection refused")
        assert service.show("ActiveState", "NRestarts") == ["activating", "0"]
        before = service.worker_pids()
        listener.listen()
        with Proxy((env["PGHOST"], env["PGPORT"]), listener=listener):
            service.wait_active()
            service.wait_status("2 workers, 0 jobs running")
            assert (service.worker_pids(), service.restarts) == (before, 0)
            jobs.wait(jobs.submit("mock_process"), "succeeded")
            service.stop()


def test_postgresql_goes_away_and_comes_back(service, machine, postgres, jobs):
    """Frozen, which is the worst of it. The watchdog is about the supervisor alone."""
    machine.drop_in(service.unit, "[Service]\nWatchdogSec=5s\n")
    service.configure(postgres={"timeout": "2s"}, worker={"lease": "3s"}).start()
    with postgres.frozen():
        service.wait_status("waiting for PostgreSQL at 127.0.0.1:")
        until(lambda: int(re.search(r" for (\d+) s", service.status)[1]) > 6, 60, "longer than its watchdog has patience")
        assert service.active == "active"
    service.wait_status("2 workers, 0 jobs running")
    until(lambda: "waiting" not in service.status, what="nobody waits")
    jobs.wait(jobs.submit("mock_process"), "succeeded")
    assert service.restarts == 0


@pytest.mark.parametrize("blocked", [False, True])
def test_a_start_and_a_stop_while_postgresql_is_away(service, machine, blocked):
    """The end of a start that waits: `systemctl stop` takes it back at once."""
    with nobody() as listener:
        service.configure(postgres={"port": listener.getsockname()[1]})
        start = machine.popen("systemctl", "start", service.unit) if blocked else service.start_no_block() and None
        service.wait_status("waiting for PostgreSQL")
        service.stop()
        assert service.show("ActiveState", "Result", "NRestarts") == ["inactive", "success", "0"]
        assert not service.processes()
        assert not blocked or start.wait(30) != 0


def test_kafka_is_away_at_the_start(service):
    with nobody() as listener:
        port = listener.getsockname()[1]
        service.configure(kafka={"brokers": f"127.0.0.1:{port}"}).start()  # a worker can claim
        service.wait_status(f"2 workers, 0 jobs running, without Kafka at 127.0.0.1:{port} for ", " s")
        assert service.show("ActiveState", "NRestarts") == ["active", "0"]


def test_kafka_goes_away_and_comes_back_while_nothing_is_to_do(service, machine):
    """The embedded one, which is back in no time."""
    broker = "heimdex-broker.service"
    with nobody() as listener:
        port = listener.getsockname()[1]
    machine.drop_in(broker, f"[Service]\nEnvironment=HEIMDEX_KAFKA_PORT={port}\n")
    machine.systemctl("start", broker)
    service.configure(kafka={"brokers": f"127.0.0.1:{port}"}).start()
    service.wait_message("topics are there", 60)
    until(lambda: "without" not in service.status, what="a STATUS with Kafka")
    machine.systemctl("stop", broker)
    service.wait_status(f"without Kafka at 127.0.0.1:{port} for ", seconds=60)
    machine.systemctl("start", broker)
    until(lambda: "without" not in service.status, 60, "Kafka is back in STATUS")
    assert service.restarts == 0
