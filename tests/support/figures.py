"""What a run of the tests ends with: times that matter, against what is wanted of them, and how much was done to the programs. Whoever
does it to them counts it here; tests/conftest.py gives it to the test's report, so that it gets out of other processes too."""
from collections import Counter

counts = Counter()  # since the last test


def fault():
    counts["faults"] += 1


def taken():
    """The counts, which begin anew."""
    found = dict(counts)
    counts.clear()
    return found


def timed(what, seconds, wanted):
    return f"{what}: {seconds:.2f} s of {wanted:g} s" + (": missed" if seconds >= wanted else "")


def lines(properties):
    """Of all tests' (name, value): each time, then the sums."""
    sums = Counter()
    for name, value in properties:
        if name != "figure":
            sums[name] += int(value)
    return [value for name, value in properties if name == "figure"] + [", ".join(f"{n} {what}" for what, n in sorted(sums.items()))] * bool(sums)
