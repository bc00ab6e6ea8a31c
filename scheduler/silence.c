#include "scheduler/silence.h"

enum { PATIENCE_MS = 3000, BAD_NEWS_MS = 60000 };

void silence_sent(struct silence *s, int64_t now_ms) {
    if (!s->pending++)
        s->since_ms = now_ms;
}

void silence_report(struct silence *s, bool ok, int64_t now_ms) {
    s->pending -= s->pending > 0;
    s->failed_ms = ok ? 0 : now_ms;
    if (ok)
        s->since_ms = now_ms;
}

bool silence_now(const struct silence *s, int64_t now_ms) {
    if (s->failed_ms && now_ms - s->failed_ms < BAD_NEWS_MS)
        return true;
    return s->pending && now_ms - s->since_ms > PATIENCE_MS;
}
