import time


def until(condition, seconds=20.0, what=None):
    """Waits until condition() is true and returns its value. Exceptions of it count as "not yet"."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except Exception as error:  # the thing may not be there yet
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}; last: {last!r}")
        time.sleep(0.02)


def below(bound, measure, tries=4):
    """Has measure() give less than the bound, and returns that: at the first try, or at a later one. As with within(): what is too late is so each
    time; a machine that had no time for us for a moment is no finding."""
    found = []
    while not found or found[-1] >= bound:
        assert len(found) < tries, f"{found}, every time {bound} or more"
        found.append(measure())
    return found[-1]


def within(seconds, attempt, prepare=None, tries=4):
    """Has attempt() done in less than that, and returns its value: at the first try, or at a later one. What is too slow is so each time; a
    machine that had no time for us for a moment is no finding. prepare(): runs before each try, its value is the attempt's argument."""
    took = []
    while not took or took[-1] >= seconds:
        assert len(took) < tries, f"took {took} s, every time {seconds} s or more"
        prepared = [prepare()] if prepare else []
        began = time.monotonic()
        value = attempt(*prepared)
        took.append(time.monotonic() - began)
    return value
