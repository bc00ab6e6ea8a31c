/* The commands' transactions, with a PostgreSQL that answers what the test says, and a clock that it moves. */
#include "ctl/connection.h"

#include "common/backoff.h"
#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

/* ---- the clock ---- */

static int64_t now_ms;

int clock_gettime(clockid_t id, struct timespec *t) {
    (void)id;
    *t = (struct timespec){ .tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000 };
    return 0;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    (void)left;
    now_ms += wanted->tv_sec * 1000 + wanted->tv_nsec / 1000000;
    return 0;
}

/* The longest of those that chance would give. */
int64_t hx_backoff_full_jitter(unsigned n, int64_t base_ms, int64_t max_ms) {
    return HX_MIN(max_ms, base_ms << (n - 1));
}

/* ---- PostgreSQL ---- */

struct hx_pg {
    struct hx_pg_options options;
};

struct hx_pg_tx {
    struct hx_buf asked;
};

static struct hx_pg pg;
static bool refuse_options;
static struct hx_pg_error answers[8]; /* of the tries, the last one for good */
static int64_t takes_ms;              /* each try */
static struct hx_buf log_text;        /* "name(statements) timeout; ..." */
static size_t tries;

int hx_pg_new(struct hx_loop *loop, const struct hx_pg_options *options, hx_pg_state_cb cb, void *user,
              struct hx_pg **ret) {
    (void)loop, (void)cb, (void)user;
    pg.options = *options;
    if (!refuse_options)
        *ret = &pg;
    return refuse_options ? -1 : 0;
}

struct hx_pg_tx *hx_pg_tx_new(const char *name) {
    struct hx_pg_tx *tx = hx_alloc(sizeof *tx);
    hx_buf_printf(&tx->asked, "%s:", name);
    return tx;
}

int hx_pg_tx_add(struct hx_pg_tx *tx, const struct hx_pg_stmt *stmt) {
    int before = 0;
    for (const char *c = tx->asked.data; *c; c++)
        before += *c == ' ';
    hx_buf_printf(&tx->asked, " %s", stmt->name);
    return before;
}

enum { ITS_CLOCK = 4711 };

int64_t hx_pg_get_time(const struct hx_pg_tx *tx, int statement, int row, int col) {
    assert_string_equal(tx->asked.data, "query: own ctl_clock");
    assert_int_equal(statement, 1);
    assert_int_equal(row, 0);
    assert_int_equal(col, 0);
    return ITS_CLOCK;
}

enum hx_pg_class hx_pg_run(struct hx_pg *p, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user,
                           struct hx_pg_error *reterr) {
    assert_ptr_equal(p, &pg);
    now_ms += HX_MIN(takes_ms, timeout_ms);
    *reterr = answers[HX_MIN(tries, HX_ARRAY_LEN(answers) - 1)];
    if (takes_ms > timeout_ms)
        *reterr = (struct hx_pg_error){ .class = HX_PG_UNAVAILABLE, .message = "no answer in time" };
    tries++;
    hx_buf_printf(&log_text, "%s%s in %d", log_text.len ? "; " : "", tx->asked.data, (int)timeout_ms);
    cb(tx, reterr->class == HX_PG_OK ? NULL : reterr, user);
    hx_buf_reset(&tx->asked);
    free(tx);
    return reterr->class;
}

/* ---- the configuration and what is said ---- */

static const char *keywords[8], *values[8];
static bool prepared = true;
static struct hx_buf said;

int64_t hx_config_int(const struct hx_config *c, enum hx_key key) {
    (void)c;
    return key == HX_POSTGRES_TIMEOUT ? 1000 : prepared;
}

void hx_config_postgres(const struct hx_config *c, const char *const **ret_keywords, const char *const **ret_values) {
    (void)c;
    *ret_keywords = keywords;
    *ret_values = values;
}

void hx_complain(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&said, fmt, ap);
    va_end(ap);
}

/* ---- tests ---- */

static const struct hx_pg_error committed = { .class = HX_PG_OK }, deadlock = { .class = HX_PG_RETRY,
                                                                                .sqlstate = "40P01",
                                                                                .message = "deadlock detected" };

static int begin(void **state) {
    (void)state;
    now_ms = 1000000;
    takes_ms = 10;
    tries = 0;
    refuse_options = false;
    prepared = true;
    memset(answers, 0, sizeof answers);
    memset(keywords, 0, sizeof keywords);
    memset(values, 0, sizeof values);
    hx_buf_reset(&log_text);
    hx_buf_reset(&said);
    hx_buf_puts(&said, "");
    return clearenv();
}

static int end(void **state) {
    (void)state;
    hx_buf_reset(&log_text);
    hx_buf_reset(&said);
    return 0;
}

static void always(const struct hx_pg_error *error) {
    for (size_t i = 0; i < HX_ARRAY_LEN(answers); i++)
        answers[i] = *error;
}

static int reads;

static void add(struct hx_pg_tx *tx, void *user) {
    static const struct hx_pg_stmt own = { "own", "select" };
    assert_ptr_equal(user, &reads);
    hx_pg_tx_add(tx, &own);
}

static void read_rows(const struct hx_pg_tx *tx, void *user) {
    (void)tx;
    ++*(int *)user;
}

static const struct query query = { "query", add, read_rows };

/* What a command that runs the query ends with, how often it has read, and what it has said. */
static void check_run(int code, int expected_reads, const char *words) {
    struct ctl ctl = { .now_us = 1 };
    reads = 0;
    assert_int_equal(connection_run(&ctl, &query, &reads), code);
    assert_int_equal(reads, expected_reads);
    assert_int_equal(ctl.now_us, expected_reads ? ITS_CLOCK : 1);
    assert_string_equal(said.data, words);
}

static void it_takes_the_servers_time_along(void **state) {
    (void)state;
    check_run(0, 1, "");
    assert_string_equal(log_text.data, "query: own ctl_clock in 1000");
    assert_string_equal(pg.options.application_name, "heimdexctl");
    assert_int_equal(pg.options.timeout_ms, 950); /* that the connection's failure is the answer */
    assert_true(pg.options.fail_fast);
    assert_false(pg.options.no_prepare);
}

static void a_pooler_gets_no_prepared_statements(void **state) {
    (void)state;
    prepared = false;
    check_run(0, 1, "");
    assert_true(pg.options.no_prepare);
}

static void a_deadlock_is_tried_again(void **state) {
    (void)state;
    answers[0] = answers[1] = deadlock;
    answers[2] = committed;
    check_run(0, 1, "");
    assert_string_equal(log_text.data,
                        "query: own ctl_clock in 1000; query: own ctl_clock in 970; query: own ctl_clock in "
                        "920"); /* 10 each, and 20 and 40 between them */
}

static void but_not_for_ever(void **state) {
    (void)state;
    always(&deadlock);
    check_run(HX_EXIT_TRY_AGAIN, 0, "PostgreSQL: deadlock detected");
    assert_int_equal(tries, 5);
}

/* A try for which no time is left would end as "no answer", and hide what was wrong. */
static void nor_beyond_its_time(void **state) {
    (void)state;
    always(&deadlock);
    takes_ms = 485;
    check_run(HX_EXIT_TRY_AGAIN, 0, "PostgreSQL: deadlock detected");
    assert_int_equal(tries, 2);
    assert_int_equal(now_ms, 1000000 + 485 + 20 + 485);
}

static void what_takes_too_long_is_not_tried_again(void **state) {
    (void)state;
    answers[0] = (struct hx_pg_error){ .class = HX_PG_RETRY,
                                       .sqlstate = "57014",
                                       .message = "canceling statement due to statement timeout" };
    check_run(HX_EXIT_UNAVAILABLE, 0, "PostgreSQL: canceling statement due to statement timeout");
    assert_int_equal(tries, 1);
}

static void a_try_says_nothing_itself(void **state) {
    (void)state;
    struct ctl ctl = { 0 };
    struct hx_pg_error error;
    answers[0] = (struct hx_pg_error){ .class = HX_PG_UNAVAILABLE, .message = "Connection refused" };
    assert_int_equal(connection_try(&ctl, &query, &reads, &error), HX_EXIT_UNAVAILABLE);
    assert_string_equal(error.message, "Connection refused");
    assert_string_equal(said.data, "");
}

static void options_that_are_none(void **state) {
    (void)state;
    refuse_options = true;
    check_run(HX_EXIT_CONFIG, 0, "PostgreSQL: postgres.timeout: must be more than 0");
    assert_int_equal(tries, 0);
}

static void exit_codes(void **state) {
    (void)state;
    static const struct {
        enum hx_pg_class class;
        const char *sqlstate;
        int code;
    } cases[] = {
        { HX_PG_OK, "", HX_EXIT_OK },
        { HX_PG_UNAVAILABLE, "", HX_EXIT_UNAVAILABLE },
        { HX_PG_RETRY, "40001", HX_EXIT_TRY_AGAIN },
        { HX_PG_RETRY, "57014", HX_EXIT_UNAVAILABLE },
        { HX_PG_DATA, "22P02", HX_EXIT_DATA },
        { HX_PG_DENIED, "42501", HX_EXIT_NOT_PERMITTED },
        { HX_PG_SCHEMA, "42P01", HX_EXIT_CONFIG },
        { HX_PG_OTHER, "XX000", HX_EXIT_SOFTWARE },
        { HX_PG_OTHER, "", HX_EXIT_CONFIG }, /* libpq doesn't like its options */
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct hx_pg_error error = { .class = cases[i].class };
        hx_strcopy(error.sqlstate, sizeof error.sqlstate, cases[i].sqlstate);
        assert_int_equal(connection_exit_code(&error), cases[i].code);
    }
}

static void a_wrong_schema_is_told_with_what_mends_it(void **state) {
    (void)state;
    always(&(struct hx_pg_error){
        .class = HX_PG_SCHEMA, .sqlstate = "42P01", .message = "relation \"job\" does not exist" });
    check_run(
        HX_EXIT_CONFIG, 0,
        "PostgreSQL: relation \"job\" does not exist: the schema is missing or another release's: heimdex-migrate "
        "upgrade head");
}

static void check_address(const char *expected) {
    _cleanup_free_ char *address = connection_address(NULL);
    assert_string_equal(address, expected);
}

static void addresses(void **state) {
    (void)state;
    check_address("local socket:5432");
    setenv("PGHOST", "there", 1);
    setenv("PGPORT", "", 1);
    setenv("PGDATABASE", "jobs", 1);
    check_address("there:5432/jobs");
    setenv("PGPORT", "5433", 1);
    check_address("there:5433/jobs");
    keywords[0] = "user", values[0] = "me";
    keywords[1] = "host", values[1] = "10.0.0.1";
    keywords[2] = "dbname", values[2] = ""; /* as good as none */
    keywords[3] = "port", values[3] = NULL;
    check_address("10.0.0.1:5433/jobs");
    values[2] = "heimdex";
    values[3] = "6432";
    check_address("10.0.0.1:6432/heimdex");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_takes_the_servers_time_along),
        TEST(a_pooler_gets_no_prepared_statements),
        TEST(a_deadlock_is_tried_again),
        TEST(but_not_for_ever),
        TEST(nor_beyond_its_time),
        TEST(what_takes_too_long_is_not_tried_again),
        TEST(a_try_says_nothing_itself),
        TEST(options_that_are_none),
        TEST(exit_codes),
        TEST(a_wrong_schema_is_told_with_what_mends_it),
        TEST(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
