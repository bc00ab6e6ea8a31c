/* A transaction in words: "complete(1 2) settle(3=failed) answered(1 2 3) done(A) claim B(4 5)" */
#pragma once

#include "tests/unit/worker/fake_tx.h"

static inline void tell_ids(struct hx_buf *b, const struct statement *s) {
    hx_buf_putc(b, '(');
    for (size_t i = 0; i < s->n; i++) {
        hx_buf_puts(b, i ? " " : "");
        if (s->kind == DONE)
            hx_buf_putc(b, (char)('A' + claim_index(&s->ids[i])));
        else
            hx_buf_printf(b, "%u", number_of(&s->ids[i]));
        if (s->kind == SETTLE)
            hx_buf_printf(b, "=%s", hx_status_name(s->outcomes[i].status));
    }
    hx_buf_putc(b, ')');
}

static inline void tell_statement(struct hx_buf *b, const struct statement *s) {
    static const char *const names[] = { "",      "claim",    "limited",  "complete", "settle",  "progress",
                                         "done",  "answered", "free",     "receipt",  "backend", "asked",
                                         "again", "claims",   "take",     "park",     "missing", "quarantine",
                                         "renew", "signals",  "sign_off", "schema",   "types",   "worker" };
    if (s->kind == NOTHING)
        return;
    hx_buf_puts(b, b->len ? " " : "");
    hx_buf_puts(b, names[s->kind]);
    if (s->kind == CLAIM || s->kind == LIMITED || s->kind == RECEIPT || s->kind == ASKED || s->kind == AGAIN)
        hx_buf_printf(b, " %c", (char)('A' + claim_index(&s->token)));
    if (s->n)
        tell_ids(b, s);
}

static inline void check_told(const struct hx_pg_tx *tx, const char *expected) {
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_puts(&b, "");
    for (size_t i = 0; i < tx->n; i++)
        tell_statement(&b, tx->v[i]);
    assert_string_equal(b.data, expected);
}
