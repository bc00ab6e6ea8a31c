/* How a schema differs from the one wanted: found, told, and as the statements that remove it. */
#pragma once

#include "common/text.h"
#include "migrations/schema.h"

#include <stdbool.h>
#include <stddef.h>

/* One of them is NULL: the fact is missing, or unexpected. */
struct hx_difference {
    const struct hx_fact *wanted, *live;
    bool told; /* false: it goes without saying, because its owner is missing or unexpected */
    bool
        moves; /* a partition that stands by itself on the other side: it is attached or detached, not made or dropped */
    bool moot; /* of the table that moves: it comes and goes with that */
};

/* A value type that points into the two schemas: hx_drift_find, hx_drift_reset. In the order in which wanted facts can be made,
 * what is unexpected behind what isn't. */
struct hx_drift {
    struct hx_difference *items;
    size_t count;
};

void hx_drift_find(const struct hx_schema *wanted, const struct hx_schema *live, struct hx_drift *ret);
void hx_drift_reset(struct hx_drift *drift);

/* What follows appends to out. */

/* "missing", "type is bigint, wanted integer" … */
void hx_drift_describe(const struct hx_difference *difference, struct hx_buf *out);
/* "KIND OBJECT: what" a line for each that is told. */
void hx_drift_lines(const struct hx_drift *drift, struct hx_buf *out);
/* The members of a JSON array, {"object","kind","difference"} each, with a comma before each but a first one; *first is updated. */
void hx_drift_json(const struct hx_drift *drift, bool *first, struct hx_buf *out);
/* The statements that turn the live schema into the wanted one. What loses data or code is commented out unless `destructive`, and
 * so is a word on what no statement can do. */
void hx_drift_sql(const struct hx_drift *drift, bool destructive, struct hx_buf *out);
