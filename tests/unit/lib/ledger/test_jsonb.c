/* What lib/json accepts, PostgreSQL takes as jsonb: the corpora of the fuzz targets, one document at a time. */
#include "tests/unit/lib/ledger/ledger_test.h"

#include "lib/json/json.h"

#include <dirent.h>

static const struct hx_pg_stmt statement = { "jsonb", "select ($1::jsonb)::text" };

/* 1: both take it; 0: not JSON for us. */
static int check_document(const char *path, const char *text, size_t n) {
    if (hx_json_check(text, n, NULL) < 0)
        return 0;
    struct hx_pg_tx *tx = hx_pg_tx_new("jsonb");
    int s = hx_pg_tx_add(tx, &statement);
    hx_pg_jsonb(tx, text, n);
    const struct got *got = run(tx, s);
    if (got->class != HX_PG_OK)
        fail_msg("%s: %s %s", path, got->error.sqlstate, got->error.message);
    assert_int_equal(got->rows, 1);
    return 1;
}

static int check_file(const char *path) {
    static char text[1 << 20];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    return check_document(path, text, n);
}

static void what_we_accept_is_jsonb(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    static const char *const folders[] = { "tests/fuzz/corpus/json", "tests/fuzz/corpus/message",
                                           "tests/fuzz/corpus/line" };
    for (size_t i = 0; i < HX_ARRAY_LEN(folders); i++) {
        struct dirent **entries = NULL;
        int accepted = 0, n = scandir(folders[i], &entries, NULL, alphasort);
        assert_true(n > 2);
        for (int k = 0; k < n; k++) {
            _cleanup_free_ char *path = hx_printf("%s/%s", folders[i], entries[k]->d_name);
            if (entries[k]->d_name[0] != '.')
                accepted += check_file(path);
            free(entries[k]);
        }
        free(entries);
        assert_true(accepted > 0);
    }
}

LEDGER_MAIN(LEDGER_TEST(what_we_accept_is_jsonb))
