/* Does Kafka answer? Told by the fate of our own records, because nothing else means anything: a broker that accepts connections and
 * writes nothing is away. Times are CLOCK_MONOTONIC ms. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct silence {
    size_t pending;
    int64_t since_ms;  /* something has been pending, without a good report, since */
    int64_t failed_ms; /* the last report was bad, at this time; 0: it was good */
};

void silence_sent(struct silence *s, int64_t now_ms);
void silence_report(struct silence *s, bool ok, int64_t now_ms); /* of one record sent */
/* True when records have been pending for over 3 s without one good report, or the last report was bad and not over a minute ago
 * (then nobody has had anything to send since: the next record tells). */
bool silence_now(const struct silence *s, int64_t now_ms);
