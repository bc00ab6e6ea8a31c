/* Values of a result: whatever bytes a server sends for one, every reader stays within them, and what we encode we read back. */
#include "lib/pg/pg_internal.h"

#include "tests/fuzz/fuzz.h"

static const struct hx_pg_stmt stmt = { "s", "select 1" };

/* A transaction whose only result is one row of one column with these bytes. */
static struct hx_pg_tx *with(const void *bytes, size_t n) {
    struct hx_pg_tx *tx = hx_pg_tx_new("fuzz");
    hx_pg_tx_add(tx, &stmt);
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc column = { .name = (char[]){ "c" }, .format = 1 };
    must(PQsetResultAttrs(r, 1, &column));
    must(PQsetvalue(r, 0, 0, (char *)(uintptr_t)bytes, (int)n));
    tx->statements[0].result = r;
    return tx;
}

static void check_uuids(const struct hx_uuid *ids, size_t n) {
    struct hx_pg_tx *sent = hx_pg_tx_new("fuzz");
    hx_pg_tx_add(sent, &stmt);
    hx_pg_uuids(sent, ids, n);
    struct hx_pg_tx *tx = with(sent->data.data + sent->params[0].offset, (size_t)sent->params[0].len);
    size_t count = 99;
    _cleanup_free_ struct hx_uuid *again = hx_pg_get_uuids(tx, 0, 0, 0, &count);
    must(count == n && (n == 0 || memcmp(again, ids, n * sizeof *ids) == 0));
    hx_pg_tx_free(tx);
    hx_pg_tx_free(sent);
}

static void check_readers(const uint8_t *data, size_t size) {
    struct hx_pg_tx *tx = with(data, size);
    size_t n = 99;
    must(!hx_pg_is_null(tx, 0, 0, 0) && hx_pg_rows(tx, 0) == 1 && hx_pg_affected(tx, 0) == 0);
    hx_pg_get_bool(tx, 0, 0, 0);
    must(hx_pg_get_int4(tx, 0, 0, 0) == (int32_t)hx_pg_get_int8(tx, 0, 0, 0));
    must(hx_pg_get_time(tx, 0, 0, 0) != INT64_MIN); /* which is null */
    struct hx_uuid id = hx_pg_get_uuid(tx, 0, 0, 0);
    must(size != sizeof id.b || memcmp(id.b, data, size) == 0);
    const char *text = hx_pg_get_text(tx, 0, 0, 0, &n);
    must(n == size && memcmp(text, data, size) == 0 && text[size] == '\0');
    _cleanup_free_ struct hx_uuid *ids = hx_pg_get_uuids(tx, 0, 0, 0, &n);
    must(ids ? n > 0 && n * 20 + 20 == size : n == 0);
    if (ids)
        check_uuids(ids, n);
    must(hx_pg_is_null(tx, 0, 1, 0) && hx_pg_is_null(tx, 0, 0, 1) && hx_pg_is_null(tx, 1, 0, 0) &&
         hx_pg_is_null(tx, -1, -1, -1));
    hx_pg_tx_free(tx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_readers(data, size);
    if (size % sizeof(struct hx_uuid) == 0 && size) {
        _cleanup_free_ struct hx_uuid *ids = hx_alloc(size);
        memcpy(ids, data, size);
        check_uuids(ids, size / sizeof *ids);
    }
    return 0;
}
