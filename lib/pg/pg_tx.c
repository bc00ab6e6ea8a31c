/* Building a transaction: its statements, and their parameters in PostgreSQL's binary form, all in one buffer. */
#include "lib/pg/pg_internal.h"

#include <endian.h>
#include <string.h>

#define PG_EPOCH_US 946684800000000 /* 2000-01-01, in microseconds since 1970-01-01 */
#define PARAM_BYTES_MAX 0x3f000000  /* the server hangs up on a message of 1 GB, so we never send one */

/* Types of array elements, from pg_type.dat. The server compares built-in types strictly, and text isn't varchar; for an
 * element type it doesn't know it takes the one of the placeholder (array_recv). */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT4 = 23, OID_TIMESTAMPTZ = 1184, OID_UUID = 2950, OID_JSONB = 3802 };
#define OID_ANY_TEXT 0xffffffffu

struct hx_pg_tx *hx_pg_tx_new(const char *name) {
    struct hx_pg_tx *tx = hx_alloc(sizeof *tx);
    tx->name = name;
    return tx;
}

struct hx_pg_tx *hx_pg_tx_free(struct hx_pg_tx *tx) {
    if (!tx)
        return NULL;
    for (size_t i = 0; i < tx->count; i++)
        PQclear(tx->statements[i].result);
    hx_buf_reset(&tx->data);
    free(tx->params);
    free(tx->statements);
    free(tx);
    return NULL;
}

int hx_pg_tx_add(struct hx_pg_tx *tx, const struct hx_pg_stmt *stmt) {
    if (tx->count == tx->cap) {
        tx->cap = tx->cap ? 2 * tx->cap : 4;
        tx->statements = hx_realloc(tx->statements, tx->cap * sizeof *tx->statements);
    }
    tx->statements[tx->count] = (struct pg_statement){ .stmt = stmt, .first_param = tx->param_count };
    return (int)tx->count++;
}

size_t hx_pg_tx_bytes(const struct hx_pg_tx *tx) {
    return tx->data.len;
}

/* Appends a parameter of n bytes and returns where they go; n may shrink later (param_end). */
static char *param_begin(struct hx_pg_tx *tx, size_t n) {
    if (tx->param_count == tx->param_cap) {
        tx->param_cap = tx->param_cap ? 2 * tx->param_cap : 16;
        tx->params = hx_realloc(tx->params, tx->param_cap * sizeof *tx->params);
    }
    tx->params[tx->param_count++] = (struct pg_param){ .offset = tx->data.len, .len = 0 };
    tx->statements[tx->count - 1].params++;
    return hx_buf_reserve(&tx->data, n);
}

static void param_end(struct hx_pg_tx *tx, size_t n) {
    if (n > PARAM_BYTES_MAX || tx->data.len + n > PARAM_BYTES_MAX) {
        tx->oversize = true; /* hx_pg_submit says so; a null until then */
        tx->params[tx->param_count - 1].len = -1;
        return;
    }
    tx->data.len += n;
    tx->params[tx->param_count - 1].len = (int32_t)n;
}

static char *put32(char *p, uint32_t v) {
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static char *put64(char *p, uint64_t v) {
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static char *put_bytes(char *p, const void *bytes, size_t n) {
    if (n)
        memcpy(p, bytes, n);
    return p + n;
}

static int64_t to_pg_time(int64_t unix_us) {
    int64_t v;
    if (unix_us == INT64_MAX)
        return INT64_MAX; /* infinity */
    return __builtin_sub_overflow(unix_us, PG_EPOCH_US, &v) ? INT64_MIN : v;
}

/* --- scalars --- */

void hx_pg_null(struct hx_pg_tx *tx) {
    param_begin(tx, 0);
    tx->params[tx->param_count - 1].len = -1;
}

void hx_pg_bool(struct hx_pg_tx *tx, bool v) {
    *param_begin(tx, 1) = v;
    param_end(tx, 1);
}

void hx_pg_int4(struct hx_pg_tx *tx, int32_t v) {
    put32(param_begin(tx, 4), (uint32_t)v);
    param_end(tx, 4);
}

void hx_pg_int8(struct hx_pg_tx *tx, int64_t v) {
    put64(param_begin(tx, 8), (uint64_t)v);
    param_end(tx, 8);
}

void hx_pg_text(struct hx_pg_tx *tx, const char *v) {
    if (!v) {
        hx_pg_null(tx);
        return;
    }
    size_t n = strlen(v);
    put_bytes(param_begin(tx, n), v, n);
    param_end(tx, n);
}

void hx_pg_jsonb(struct hx_pg_tx *tx, const char *v, size_t n) {
    if (!v) {
        hx_pg_null(tx);
        return;
    }
    char *p = param_begin(tx, n + 1);
    *p++ = 1; /* jsonb's version */
    put_bytes(p, v, n);
    param_end(tx, n + 1);
}

void hx_pg_uuid(struct hx_pg_tx *tx, const struct hx_uuid *v) {
    if (!v) {
        hx_pg_null(tx);
        return;
    }
    put_bytes(param_begin(tx, sizeof v->b), v->b, sizeof v->b);
    param_end(tx, sizeof v->b);
}

void hx_pg_time(struct hx_pg_tx *tx, int64_t unix_us) {
    if (unix_us == INT64_MIN)
        hx_pg_null(tx);
    else
        hx_pg_int8(tx, to_pg_time(unix_us));
}

/* --- arrays: dimensions, null flag, element type, then length and lower bound of the dimension unless empty --- */

enum { ARRAY_EMPTY = 12, ARRAY_HEADER = 20 };

/* Room for an array of n elements of element_bytes in all (without their length words); returns where they go. */
static char *array_begin(struct hx_pg_tx *tx, uint32_t type, size_t n, size_t element_bytes) {
    char *p = param_begin(tx, ARRAY_HEADER + 4 * n + element_bytes);
    p = put32(p, n ? 1 : 0);
    p = put32(p, 0);
    p = put32(p, type);
    if (n) {
        p = put32(p, (uint32_t)n);
        p = put32(p, 1);
    }
    return p;
}

static void array_end(struct hx_pg_tx *tx, const char *end, bool nulls) {
    char *start = tx->data.data + tx->params[tx->param_count - 1].offset;
    put32(start + 4, nulls);
    param_end(tx, (size_t)(end - start));
}

void hx_pg_uuids(struct hx_pg_tx *tx, const struct hx_uuid *v, size_t n) {
    char *p = array_begin(tx, OID_UUID, n, n * sizeof v->b);
    for (size_t i = 0; i < n; i++)
        p = put_bytes(put32(p, sizeof v->b), v[i].b, sizeof v->b);
    array_end(tx, p, false);
}

void hx_pg_int4s(struct hx_pg_tx *tx, const int32_t *v, size_t n) {
    bool nulls = false;
    char *p = array_begin(tx, OID_INT4, n, 4 * n);
    for (size_t i = 0; i < n; i++) {
        nulls |= v[i] == INT32_MIN;
        p = v[i] == INT32_MIN ? put32(p, UINT32_MAX) : put32(put32(p, 4), (uint32_t)v[i]);
    }
    array_end(tx, p, nulls);
}

static void put_int8s(struct hx_pg_tx *tx, uint32_t type, const int64_t *v, size_t n, int64_t (*convert)(int64_t)) {
    bool nulls = false;
    char *p = array_begin(tx, type, n, 8 * n);
    for (size_t i = 0; i < n; i++) {
        nulls |= v[i] == INT64_MIN;
        p = v[i] == INT64_MIN ? put32(p, UINT32_MAX) : put64(put32(p, 8), (uint64_t)(convert ? convert(v[i]) : v[i]));
    }
    array_end(tx, p, nulls);
}

void hx_pg_int8s(struct hx_pg_tx *tx, const int64_t *v, size_t n) {
    put_int8s(tx, OID_INT8, v, n, NULL);
}

void hx_pg_times(struct hx_pg_tx *tx, const int64_t *unix_us, size_t n) {
    put_int8s(tx, OID_TIMESTAMPTZ, unix_us, n, to_pg_time);
}

void hx_pg_bools(struct hx_pg_tx *tx, const bool *v, size_t n) {
    char *p = array_begin(tx, OID_BOOL, n, n);
    for (size_t i = 0; i < n; i++) {
        p = put32(p, 1);
        *p++ = v[i];
    }
    array_end(tx, p, false);
}

/* Strings, each with `version` bytes of value 1 in front. */
static void put_strings(struct hx_pg_tx *tx, uint32_t type, const char *const *v, size_t n, size_t version) {
    bool nulls = false;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += v[i] ? strlen(v[i]) + version : 0;
    char *p = array_begin(tx, type, n, bytes);
    for (size_t i = 0; i < n; i++) {
        if (!v[i]) {
            nulls = true;
            p = put32(p, UINT32_MAX);
            continue;
        }
        size_t len = strlen(v[i]);
        p = put32(p, (uint32_t)(len + version));
        if (version)
            *p++ = 1;
        p = put_bytes(p, v[i], len);
    }
    array_end(tx, p, nulls);
}

void hx_pg_texts(struct hx_pg_tx *tx, const char *const *v, size_t n) {
    put_strings(tx, OID_ANY_TEXT, v, n, 0);
}

void hx_pg_jsonbs(struct hx_pg_tx *tx, const char *const *v, size_t n) {
    put_strings(tx, OID_JSONB, v, n, 1);
}

/* --- lists of transactions --- */

void pg_tx_list_push(struct pg_tx_list *list, struct hx_pg_tx *tx) {
    tx->next = NULL;
    if (list->tail)
        list->tail->next = tx;
    else
        list->head = tx;
    list->tail = tx;
    list->count++;
}

void pg_tx_list_push_front(struct pg_tx_list *list, struct hx_pg_tx *tx) {
    tx->next = list->head;
    list->head = tx;
    if (!list->tail)
        list->tail = tx;
    list->count++;
}

struct hx_pg_tx *pg_tx_list_pop(struct pg_tx_list *list) {
    struct hx_pg_tx *tx = list->head;
    if (!tx)
        return NULL;
    list->head = tx->next;
    if (!list->head)
        list->tail = NULL;
    list->count--;
    tx->next = NULL;
    return tx;
}
