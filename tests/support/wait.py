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
    """Has measure() give less than the bound, and returns that: at the first try, or at a later one. What is too late is so each time; a machine that
    had no time for us for a moment is no finding."""
    found = []
    while not found or found[-1] >= bound:
        assert len(found) < tries, f"{found}, every time {bound} or more"
        found.append(measure())
    return found[-1]


def within(seconds, attempt, prepare=None):
    """The same for the time that attempt() takes; returns its value. prepare(): runs before each try, its value is the attempt's argument."""
    values = []

    def seconds_taken():
        prepared = [prepare()] if prepare else []
        began = time.monotonic()
        values.append(attempt(*prepared))
        return time.monotonic() - began
    below(seconds, seconds_taken)
    return values[-1]
