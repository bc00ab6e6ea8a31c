"""What a run costs: processor time by who spent it, and write-ahead log. The floor's beside Heimdex's, they say where a ratio comes from."""
import resource

from support.process import children_of, cpu_seconds


def _spent(pid, ended_children=False):
    """µs."""
    return cpu_seconds(pid, ended_children) * 1_000_000


class Cost:
    """Between its making and end(): {who: µs of processor time}, and under "WAL" bytes."""

    def __init__(self, server, database, kafka=None, fleet=None):
        self.server, self.database, self.kafka, self.fleet = server, database, kafka, fleet
        self.began = self._now()

    def _now(self):
        now = {"PostgreSQL": _spent(self.server.pid, True) + sum(map(_spent, children_of(self.server.pid))),
               "WAL": float(self.database.one("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))}
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        now["client"] = (ended.ru_utime + ended.ru_stime) * 1_000_000
        if self.fleet:
            now["Kafka"] = _spent(self.kafka.pid)
            for child in self.fleet.children():
                now[child["role"] + "s"] = now.get(child["role"] + "s", 0) + _spent(child["pid"])
        return now

    def end(self):
        now = self._now()
        return {who: now[who] - before for who, before in self.began.items()}


def a_job(cost, n):
    """One line: "PostgreSQL 31.2  workers 8.1 …  µs, WAL 902 B"."""
    times = "  ".join(f"{who} {us / n:.1f}" for who, us in cost.items() if who != "WAL")
    return f"{times} µs  WAL {cost['WAL'] / n:.0f} B"
