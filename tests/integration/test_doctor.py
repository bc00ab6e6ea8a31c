"""heimdexctl doctor: every dependency, what is wrong with it and the command that mends it."""
import json
import socket
from threading import Thread

from support.ctl import ctl, listener  # noqa: F401


def dependencies(ctl, *args, **options):
    done = ctl("doctor", "--json", **options)
    document = json.loads(done.stdout)
    assert done.returncode == (0 if document["ok"] else 1)
    for dependency in document["deps"].values():
        assert set(dependency) == {"ok", "ms", "error", "warning", "detail", "mend"}
        assert isinstance(dependency["ms"], float) and (dependency["error"] is None) == dependency["ok"]
    return document["deps"]


def answered(look, well):
    """What it finds. Each dependency has a second or three to answer; a machine that had none for one of them is no finding."""
    for _ in range(4):
        found = look()
        if well(found):
            break
    return found


def silent_for(dependency, words):
    """It was given up about a second after it was asked; some time between may be a busy machine's."""
    assert not dependency["ok"] and words in dependency["error"] and dependency["ms"] > 800
    return dependency["ms"] < 1500


def test_doctor_tries_every_dependency(ctl, kafka, prefix, listener, tmp_path):
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    env = {"KAFKA_BROKERS": kafka.brokers, "HEIMDEX_KAFKA_TOPIC_PREFIX": prefix, "REDIS_URL": f"redis://{address}", "QDRANT_URL": f"http://{address}",
           "GCS_ENDPOINT": "http://127.0.0.1:1", "HEIMDEX_SUPERVISOR_CONTROL_SOCKET": str(tmp_path / "control")}
    wrong = lambda deps: {name for name, dep in deps.items() if not dep["ok"]}
    deps = answered(lambda: dependencies(ctl, env=env), lambda deps: wrong(deps) == {"topics", "fleet", "gcs"})
    assert wrong(deps) == {"topics", "fleet", "gcs"}
    assert list(deps) == ["pg", "schema", "permissions", "clock", "kafka", "topics", "fleet", "redis", "qdrant", "gcs"]
    assert f"{prefix}.jobs.default" in deps["topics"]["error"]
    assert deps["fleet"]["mend"] == "systemctl start heimdex-supervisor"


def test_doctor_speaks_to_the_control_socket(ctl, tmp_path):
    path = tmp_path / "control"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    server.settimeout(20)

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return  # closed
            asked.append(json.loads(client.makefile().readline()))
            try:
                client.sendall(answer)
            except OSError:
                pass  # who asked has given up
            kept.append(client)  # without an answer it stays open
            if answer:
                client.close()

    kept, asked = [], []
    look = lambda: dependencies(ctl, env={"HEIMDEX_SUPERVISOR_CONTROL_SOCKET": str(path), "KAFKA_BROKERS": "127.0.0.1:1"})["fleet"]
    answer = b'{"ok":true,"ready":true,"status":"2 workers, 0 jobs running"}\n'
    Thread(target=serve, daemon=True).start()
    assert answered(look, lambda fleet: fleet["ok"])["detail"] == "2 workers, 0 jobs running"
    answer = b'{"ok":true,"ready":false,"status":"starting"}\n'
    fleet = answered(look, lambda fleet: fleet["error"] == "starting")
    assert (fleet["ok"], fleet["error"]) == (False, "starting")
    answer = b""
    assert any(silent_for(look(), "does not answer within a second") for _ in range(4))
    assert all(question == {"op": "status"} for question in asked)
    server.close()


def test_doctor_finds_the_schema_missing_or_old(ctl, database, migrated):
    deps = answered(lambda: dependencies(ctl, env={**database.env, "KAFKA_BROKERS": "127.0.0.1:1"}), lambda deps: deps["pg"]["ok"])
    assert deps["pg"]["ok"] and not deps["schema"]["ok"] and deps["schema"]["mend"] == "heimdex-migrate upgrade head"
    migrated.sql("update alembic_version set version_num = '3af4686817cc'")
    schema = answered(lambda: dependencies(ctl, env={"KAFKA_BROKERS": "127.0.0.1:1"}), lambda deps: deps["pg"]["ok"])["schema"]
    assert "at 3af4686817cc" in schema["error"] and schema["mend"] == "heimdex-migrate upgrade head"


def test_doctor_knows_a_configuration_that_cannot_connect(ctl):
    """The password is not to blame."""
    pg = answered(lambda: dependencies(ctl, env={"KAFKA_BROKERS": "127.0.0.1:1", "PGSSLMODE": "require"})["pg"], lambda pg: "sslmode" in (pg["error"] or ""))
    assert not pg["ok"] and "sslmode" in pg["error"] and "PG*" in pg["mend"] and "PGPASSWORD" not in pg["mend"]
    assert ctl("status", env={"PGSSLMODE": "require"}).returncode == 78


def test_doctor_gives_a_silent_postgresql_up(ctl, listener):
    silent = {"PGHOST": "127.0.0.1", "PGPORT": str(listener.getsockname()[1])}
    pg = lambda: dependencies(ctl, env={**silent, "KAFKA_BROKERS": "127.0.0.1:1"})["pg"]
    assert any(silent_for(pg(), "connection refused or timeout") for _ in range(4))
