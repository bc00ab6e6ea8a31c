/* A task: a transaction, again and again, at most one of it in flight. What fails is tried again after growing pauses. */
#pragma once

#include "lib/pg/pg.h"

#include <stdbool.h>
#include <stdint.h>

struct scheduler;
struct task;

enum { TASK_RHYTHM = -1 }; /* answer: the next turn is the kind's next */

struct task_kind {
    const char *name; /* for logs; a literal */
    int64_t every_ms; /* 0: only when task_soon asks for it */
    bool to_the_end;  /* goes on while the scheduler ends */
    /* Adds the statements; false: nothing to ask this time. */
    bool (*ask)(struct scheduler *s, struct hx_pg_tx *tx);
    /* It committed. Milliseconds until the next turn (0: at once, behind the others), or TASK_RHYTHM. */
    int64_t (*answer)(struct scheduler *s, const struct hx_pg_tx *tx);
    /* It didn't, or may not have. NULL: asking again is all there is to do. */
    void (*failed)(struct scheduler *s, const struct hx_pg_error *error);
};

/* Not started: the first turn comes with task_soon. */
struct task *task_new(struct scheduler *s, struct hx_pg *pg, const struct task_kind *kind);
struct task *task_free(struct task *t); /* after its connection; NULL is fine; returns NULL */
/* Its turn comes in the loop's next round, or as soon as its transaction in flight has ended. */
void task_soon(struct task *t);

/* The pause before the n-th repeat in a row of what failed (n >= 1). */
int64_t task_pause(unsigned n, enum hx_pg_class class, int64_t every_ms);
