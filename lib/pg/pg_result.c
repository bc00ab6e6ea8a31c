/* Reading binary results. A null, or a position that isn't there, reads as zero. */
#include "lib/pg/pg_internal.h"

#include <endian.h>
#include <string.h>

#define PG_EPOCH_US 946684800000000 /* 2000-01-01, in microseconds since 1970-01-01 */

static const PGresult *result_of(const struct hx_pg_tx *tx, int statement) {
    return statement >= 0 && (size_t)statement < tx->count ? tx->statements[statement].result : NULL;
}

/* The bytes of a value, NULL for null. */
static const char *value_of(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_len) {
    const PGresult *r = result_of(tx, statement);
    *ret_len = 0;
    if (!r || row < 0 || row >= PQntuples(r) || col < 0 || col >= PQnfields(r) || PQgetisnull(r, row, col))
        return NULL;
    *ret_len = (size_t)PQgetlength(r, row, col);
    return PQgetvalue(r, row, col);
}

static uint32_t get32(const char *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

/* int2, int4 and int8 alike, so that a column may grow. */
static int64_t integer_of(const struct hx_pg_tx *tx, int statement, int row, int col) {
    size_t n;
    const char *p = value_of(tx, statement, row, col, &n);
    uint16_t v2;
    uint64_t v8;
    switch (p ? n : 0) {
    case sizeof v2: memcpy(&v2, p, sizeof v2); return (int16_t)be16toh(v2);
    case sizeof(uint32_t): return (int32_t)get32(p);
    case sizeof v8: memcpy(&v8, p, sizeof v8); return (int64_t)be64toh(v8);
    default: return 0;
    }
}

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    const PGresult *r = result_of(tx, statement);
    return r ? PQntuples(r) : 0;
}

int64_t hx_pg_affected(const struct hx_pg_tx *tx, int statement) {
    const PGresult *r = result_of(tx, statement);
    return r ? strtoll(PQcmdTuples((PGresult *)r), NULL, 10) : 0;
}

bool hx_pg_is_null(const struct hx_pg_tx *tx, int statement, int row, int col) {
    size_t n;
    return !value_of(tx, statement, row, col, &n);
}

bool hx_pg_get_bool(const struct hx_pg_tx *tx, int statement, int row, int col) {
    size_t n;
    const char *p = value_of(tx, statement, row, col, &n);
    return p && n == 1 && *p;
}

int32_t hx_pg_get_int4(const struct hx_pg_tx *tx, int statement, int row, int col) {
    return (int32_t)integer_of(tx, statement, row, col);
}

int64_t hx_pg_get_int8(const struct hx_pg_tx *tx, int statement, int row, int col) {
    return integer_of(tx, statement, row, col);
}

struct hx_uuid hx_pg_get_uuid(const struct hx_pg_tx *tx, int statement, int row, int col) {
    struct hx_uuid u = { 0 };
    size_t n;
    const char *p = value_of(tx, statement, row, col, &n);
    if (p && n == sizeof u.b)
        memcpy(u.b, p, sizeof u.b);
    return u;
}

int64_t hx_pg_get_time(const struct hx_pg_tx *tx, int statement, int row, int col) {
    if (hx_pg_is_null(tx, statement, row, col))
        return INT64_MIN;
    int64_t us, v = integer_of(tx, statement, row, col);
    if (v == INT64_MIN) /* -infinity, which must not look like null */
        return INT64_MIN + 1;
    return __builtin_add_overflow(v, PG_EPOCH_US, &us) ? INT64_MAX : us; /* infinity is the largest on both sides */
}

const char *hx_pg_get_text(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_len) {
    size_t n;
    const char *p = value_of(tx, statement, row, col, &n); /* libpq puts a NUL behind every value */
    if (ret_len)
        *ret_len = n;
    return p;
}

struct hx_uuid *hx_pg_get_uuids(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_n) {
    enum { HEADER = 20, ELEMENT = 4 + 16 }; /* dimensions, flags, type, length, lower bound; then length and value */
    size_t len;
    const char *p = value_of(tx, statement, row, col, &len);
    *ret_n = 0;
    if (!p || len < HEADER || get32(p) != 1)
        return NULL;
    size_t n = get32(p + 12);
    if (n == 0 || len != HEADER + n * ELEMENT) /* another type, or nulls */
        return NULL;

    struct hx_uuid *v = hx_allocn(n, sizeof *v);
    for (size_t i = 0; i < n; i++)
        memcpy(v[i].b, p + HEADER + i * ELEMENT + 4, sizeof v[i].b);
    *ret_n = n;
    return v;
}
