"""Certificates that expire, of PostgreSQL, of Kafka, of the fleet itself: it is said which, nobody dies of it, no job is lost, and all goes on
with the next certificate."""
import pytest

from support.gate import gate  # noqa: F401
from support.handlers import pids_in, sh
from support.servers import Kafka, own_postgres
from support.tls import Authority, show
from support.wait import until

EX_NOPERM = 77
PATIENT = 'echo $$ >>{pids}; {gate.sh}'


postgres, template = own_postgres("tls")


@pytest.fixture(scope="module")
def authority(workdir):
    return Authority(workdir / "authority")


def identity(authority, expired=False):
    """What Kafka shows: a file with its key and its certificate."""
    file = authority.folder / "broker.pem"
    file.write_text("".join(part.read_text() for part in authority.issue("broker", expired)))
    return file


@pytest.fixture(scope="module")
def kafka_server(workdir, authority):
    server = Kafka(workdir / "tls-kafka", tls=identity(authority))
    yield server
    server.delete()


@pytest.fixture
def secure(postgres, authority, env):
    """PostgreSQL has a good certificate, and programs with env (jobs.env too) look at it."""
    show(postgres, authority)
    env.update(PGSSLMODE="verify-full", PGSSLROOTCERT=str(authority.certificate))
    return env


def sessions_end(postgres):
    postgres.admin("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'heimdex-%'")


def said_of(done):
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def as_it_was(fleet, workers, *secrets):
    """The same processes; and nothing secret in the log."""
    assert fleet.worker_pids() == workers and sum(child["restarts"] for child in fleet.children()) == 0
    assert not [secret for secret in secrets if secret in fleet.log()]


def test_postgresqls_certificate_expires(secure, authority, fleet, jobs, postgres, binaries, gate, tmp_path):
    pids, where = tmp_path / "pids", f"127.0.0.1:{postgres.env['PGPORT']}"
    one = fleet(workers=2, handlers=[sh("patient", PATIENT.format(pids=pids, gate=gate))])
    workers, acks = one.worker_pids(), [jobs.submit("patient", max_attempts=1), jobs.submit("mock_process")]
    jobs.wait(acks[0], "running")
    jobs.wait(acks[1])
    until(lambda: len(pids_in(pids)) == 1, what="it runs")
    show(postgres, authority, expired=True)
    refused = until(lambda: (done := binaries.submit("mock_process", env=secure, check=False)).returncode and done, what="a refusal")
    assert refused.returncode == EX_NOPERM and refused.stdout == ""
    assert said_of(refused) == f"heimdex-submit: PostgreSQL: {where}: SSL error: certificate verify failed\n"
    sessions_end(postgres)
    until(lambda: 'SSL error: certificate verify failed, retrying"' in one.log())
    late = fleet(workers=1, start=False).start(wait=False)
    for each in one, late:
        until(lambda: f"waiting for PostgreSQL at {where} for" in (status := each.status()["status"]) and "certificate verify failed" in status, what="STATUS")
    until(lambda: "certificate verify failed; to mend it: renew the certificate" in binaries.ctl("doctor", env=secure, check=False).stdout)
    show(postgres, authority)
    acks.append(until(lambda: jobs.submit("mock_process")))
    late.wait_ready()
    gate.open()
    jobs.wait(acks, "succeeded")
    as_it_was(one, workers, secure["PGPASSWORD"], "PRIVATE KEY")
    assert jobs.row(acks[0])["attempt"] == 1 and one.stop() == late.stop() == 0
    fleet.check.update(acks=acks, finished=True)


def test_the_fleets_own_certificate_expires(secure, authority, fleet, jobs, migrated, postgres, binaries, tmp_path):
    """It lies under the same name again, and a reload takes it up."""
    role = "certified_" + migrated.name
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    postgres.admin(f"create role \"{role}\" login in role heimdex password '{secure['PGPASSWORD']}'")
    rules.write_text(f'hostssl all "{role}" 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n{before}')
    postgres.admin("select pg_reload_conf()")
    key, certificate = authority.issue("fleet")
    secure.update(PGUSER=role, PGSSLKEY=str(key), PGSSLCERT=str(certificate))
    one = fleet(workers=1)
    workers, acks = one.worker_pids(), [jobs.submit("mock_process")]
    jobs.wait(acks)
    authority.issue("fleet", expired=True)
    sessions_end(postgres)
    until(lambda: "certificate expired" in one.log())
    refused = until(lambda: "certificate expired" in (done := binaries.submit("mock_process", env=secure, check=False)).stderr and done)
    assert refused.returncode == EX_NOPERM and said_of(refused).startswith(f"heimdex-submit: PostgreSQL: 127.0.0.1:{postgres.env['PGPORT']}: ")
    as_it_was(one, workers, secure["PGPASSWORD"], "PRIVATE KEY")
    authority.issue("fleet")
    acks.append(jobs.submit("mock_process"))
    assert one.reload() == f"reloaded: content of {key}, content of {certificate}\n"
    jobs.wait(acks, "succeeded")
    assert one.stop() == 0
    fleet.check.update(acks=acks, finished=True)


def another_certificate(kafka, authority, expired=False):
    before = kafka.tls_brokers
    kafka.kill()
    kafka.tls = identity(authority, expired)
    kafka.ensure_running()
    assert kafka.tls_brokers == before


@pytest.mark.sweep  # it is started three times
def test_kafkas_certificate_expires(secure, authority, fleet, jobs, kafka, prefix, binaries, tmp_path):
    """The next one is another authority's, whose certificate lies under the name of the old one's: a reload takes it up."""
    trusted = tmp_path / "trusted.crt"
    trusted.write_text(authority.certificate.read_text())
    secure.update(KAFKA_BROKERS=kafka.tls_brokers, HEIMDEX_KAFKA_PROPERTIES=f"security.protocol=SSL,ssl.ca.location={trusted}")
    what = f"ssl://{kafka.tls_brokers}/bootstrap: SSL handshake failed: certificate verify failed"
    why = f"{what}: certificate has expired"
    one = fleet(workers=2)
    kafka.wait_for_group(prefix, 2)
    workers, acks = one.worker_pids(), [jobs.submit("mock_process")]
    jobs.wait(acks)

    def submit_until(words, brokers=kafka.tls_brokers):
        def says():  # it hasn't long to hear of it
            done = binaries.submit("mock_process", env={**secure, "KAFKA_BROKERS": brokers})
            acks.append(done.stdout.strip())
            assert done.stderr == (f"heimdex-submit: Kafka: {words}: the fleet takes the jobs from PostgreSQL\n" if words else "")
            return True
        until(says, 60)
    another_certificate(kafka, authority, expired=True)
    submit_until(why)
    until(lambda: f"{why.split(': ', 1)[1]}, retrying" in one.log(), 60)
    until(lambda: f"Kafka at {kafka.tls_brokers}: {why}; to mend it: correct kafka.properties" in binaries.ctl("doctor", env=secure, check=False).stdout, 60)
    as_it_was(one, workers, secure["PGPASSWORD"], "PRIVATE KEY")
    another = Authority(tmp_path / "another")
    another_certificate(kafka, another)
    submit_until(f"{what}: its authority is not known")
    trusted.write_text(another.certificate.read_text())
    assert one.reload() == f"reloaded: content of {trusted}\n"
    until(lambda: kafka.wait_for_group(prefix, 2) or True, 60, "both read again")
    submit_until(None)
    other_name = f"localhost:{kafka.tls_brokers.rpartition(':')[2]}"
    submit_until(f"{what}: certificate is for another host".replace(kafka.tls_brokers, other_name), other_name)
    jobs.wait(acks, "succeeded")
    assert one.stop() == 0
    fleet.check.update(acks=acks, finished=True)
