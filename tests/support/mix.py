"""Jobs of every kind, as they come in life: quick ones, handlers, failures, delays, priorities, repeated keys."""
from datetime import datetime, timedelta, timezone


def soon(dice):
    return (datetime.now(timezone.utc) + timedelta(seconds=dice.uniform(0.5, 15))).isoformat()


def make(dice, number, keys):
    """One job of the mix."""
    job = {"type": "mock_process", "payload": {}}
    kind = dice.random()
    if kind < 0.10:
        job = {"type": "logged", "payload": {"sleep_ms": dice.randrange(40)}}
        if dice.random() < 0.1:
            job["payload"]["fail_attempts"] = dice.randrange(1, 4)
        elif dice.random() < 0.005:
            job["payload"]["kill_worker"] = 1
    elif kind < 0.20:
        job["payload"] = {"fail": "error", "fail_attempts": dice.randrange(1, 4)}
    elif kind < 0.22:
        job["payload"] = {"fail": "permanent"}
    elif kind < 0.30:
        job["payload"] = {"duration_ms": dice.randrange(300)}
    if dice.random() < 0.05:
        job["run_at"] = soon(dice)
    if dice.random() < 0.10:
        job["priority"] = dice.randrange(1, 10)
    if dice.random() < 0.10:
        job["idempotency_key"] = dice.choice(keys) if keys and dice.random() < 0.5 else f"key {number}"
        keys.append(job["idempotency_key"])
    return job
