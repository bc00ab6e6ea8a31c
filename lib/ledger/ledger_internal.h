/* What the files of lib/ledger share; nobody else includes it. */
#pragma once

#include "common/text.h"
#include "lib/ledger/ledger.h"

#include "ledger_sql.h"

/* Appends the statement of sql/NAME.sql and returns its index; its parameters follow in the order that file gives. */
#define LEDGER_ADD(tx, name_)                                              \
    ({                                                                     \
        static const struct hx_pg_stmt stmt_ = { #name_, hx_sql_##name_ }; \
        hx_pg_tx_add(tx, &stmt_);                                          \
    })

/* A batch is an array of structs in C and one array a column in SQL: each column is gathered in one block, which has room for
 * as many values of the widest kind. */
union ledger_column {
    struct hx_uuid *uuids;
    const char **texts;
    int32_t *int4s;
    int64_t *int8s;
    void *memory;
};
#define LEDGER_GATHER(out, n, value)     \
    do {                                 \
        for (size_t i = 0; i < (n); i++) \
            (out)[i] = (value);          \
    } while (0)
static inline void *ledger_column_alloc(size_t n) {
    return hx_allocn(n ? n : 1, sizeof(struct hx_uuid));
}

/* Behind a claim or a cancellation: jobs that no longer wait lose their waiting rows (claim.c). */
int ledger_unwait(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n);

/* n fresh ids for events, as the next parameter (claim.c). */
void ledger_event_ids(struct hx_pg_tx *tx, size_t n);
