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
