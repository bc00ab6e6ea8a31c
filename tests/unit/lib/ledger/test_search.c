#include "lib/ledger/search.h"

#include "ledger_test.h"

static void answered(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    if (!error)
        hx_search_answer(user, tx);
}

static void step(struct hx_search *s) {
    struct hx_pg_tx *tx = hx_pg_tx_new("search");
    struct hx_pg_error error;
    hx_search_ask(s, tx);
    if (hx_pg_run(ledger.pg, tx, 20000, answered, s, &error) != HX_PG_OK)
        fail_msg("%s %s", error.sqlstate, error.message);
}

/* A search with the filter's open ends filled in, not yet begun. */
static struct hx_search *begin(struct hx_job_filter filter) {
    filter.limit = filter.limit ? filter.limit : 50;
    filter.since = filter.since ? filter.since : HX_NO_TIME;
    filter.until = filter.until ? filter.until : HX_NO_TIME;
    return hx_search_new(&filter);
}

/* Until it is done; the number of steps. */
static int finish(struct hx_search *s) {
    int steps = 0;
    for (; !hx_search_done(s); steps++)
        step(s);
    return steps;
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("%s is not in %s", part, text);
}

/* How many jobs the filter finds; each must contain `all`. */
static int found(struct hx_job_filter filter, const char *all) {
    struct hx_search *s = begin(filter);
    finish(s);
    int n = (int)hx_search_count(s);
    for (int i = 0; i < n; i++)
        assert_has(hx_search_job(s, (size_t)i), all);
    hx_search_free(s);
    return n;
}

static void by_status_and_filter(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid a[HX_STATUSES], b[HX_STATUSES];
    put_jobs(a, HX_STATUSES, "a");
    put_jobs(b, HX_STATUSES, "b");
    const struct hx_uuid *both[] = { a, b };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(claim(worker, both[i] + 1, HX_STATUSES - 1), HX_STATUSES - 1);
        for (int status = HX_SUCCEEDED; status < HX_STATUSES; status++)
            settle(
                &(struct hx_outcome){
                    .id = both[i][status], .fence = 1, .status = (enum hx_status)status, .code = i ? "x" : NULL },
                1);
    }
    const int64_t now = hx_wall_us(), hour = 3600000000;
    struct hx_uuid stranger = hx_uuid_v4(), nobody = { 0 };
    for (int status = 0; status < HX_STATUSES; status++) {
        char part[64];
        snprintf(part, sizeof part, "\"status\":\"%s\"", hx_status_name((enum hx_status)status));
        assert_int_equal(found((struct hx_job_filter){ .status = status }, part), 2);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .limit = 1 }, part), 1);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .type = "b" }, "\"type\":\"b\""), 1);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .type = "z" }, ""), 0);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .org_id = &stranger }, ""), 0);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .org_id = &nobody }, part), 2);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .since = now + hour }, ""), 0);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .since = now - hour }, part), 2);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .until = now + hour }, part), 2);
        assert_int_equal(found((struct hx_job_filter){ .status = status, .until = now - hour }, ""), 0);
    }
    assert_int_equal(found((struct hx_job_filter){ .status = -1 }, ""), 2 * HX_STATUSES);
    assert_int_equal(found((struct hx_job_filter){ .status = -1, .type = "a" }, "\"type\":\"a\""), HX_STATUSES);
}

/* What the sweep has passed stands in waiting, what it hasn't need not. */
static void queued_on_both_sides_of_the_sweep(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, ids, 2, "no_handler"));
    sql("update sweep set position = %s", q(&ids[1]));
    assert_int_equal(found((struct hx_job_filter){ .status = HX_QUEUED }, "\"status\":\"queued\""), 3);
}

static void newest_first(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    /* of an older release: a random id, and made long ago */
    sql("insert into job (id, org_id, type, status, created_at, updated_at, finished_at) values "
        "('f0000000-0000-4000-8000-000000000000', '00000000-0000-0000-0000-000000000000', 'a', 'succeeded', "
        "'2020-01-01Z', '2020-01-01Z', '2020-01-01Z')");
    sql("insert into job_event (job_id, ts, next_status) values ('f0000000-0000-4000-8000-000000000000', "
        "'2020-01-01Z', 'succeeded')");
    sql("insert into delta values ('00000000-0000-0000-0000-000000000000', 'a', 'succeeded', 1)");
    for (int32_t limit = 2; limit <= 10; limit += 8) {
        struct hx_search *s = begin((struct hx_job_filter){ .status = -1, .limit = limit });
        finish(s);
        assert_int_equal(hx_search_count(s), limit == 2 ? 2 : 4);
        for (size_t i = 0; i < HX_MIN((size_t)limit, (size_t)3); i++) {
            char id[HX_UUID_SIZE];
            hx_uuid_format(&ids[2 - i], id);
            assert_has(hx_search_job(s, i), id);
        }
        if (limit == 10)
            assert_has(hx_search_job(s, 3), "\"id\":\"f0000000");
        hx_search_free(s);
    }
}

/* n jobs of type "a", a second apart up to now, of which `every`-th, counted from the oldest, is of another type. */
static void fill(int n, int every, const char *type, const char *status, const char *code) {
    sql("with made as (select heimdex_uuid_floor(at) as floor, at, i from (select now() - (%d - i) * interval '1 s' "
        "as at, i from generate_series(0, %d - 1) as i) as x), "
        "j as (insert into job (id, org_id, type, status, last_error_code, created_at, updated_at, finished_at) "
        "select overlay(overlay(floor::text placing '7' from 15) placing '8' from 20)::uuid, "
        "'00000000-0000-0000-0000-000000000000', case when i %% %d = 0 then '%s' else 'a' end, '%s', "
        "nullif('%s', '') || (i / 100) %% 3, at, at, at from made returning id, org_id, type, status, updated_at), "
        "e as (insert into job_event (job_id, ts, next_status) select id, updated_at, status from j) "
        "insert into delta select org_id, type, status, count(*) from j group by 1, 2, 3",
        n, n, every, type, status, code);
}

static void a_long_walk_goes_step_by_step(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    fill(6000, 3000, "b", "succeeded", "");
    struct hx_search *s = begin((struct hx_job_filter){ .status = -1, .type = "b" });
    step(s);
    assert_int_equal(hx_search_looked(s), 0);
    step(s);
    assert_int_equal(hx_search_looked(s), 1000);
    assert_int_equal(hx_search_count(s), 0);
    int64_t age = (hx_wall_us() - hx_search_reached(s)) / 1000000;
    assert_true(age >= 999 && !hx_search_done(s));
    step(s);
    assert_int_equal(hx_search_looked(s), 5000);
    assert_int_equal(hx_search_count(s), 1);
    assert_true(hx_search_reached(s) != 0 && hx_search_reached(s) / 1000000 < hx_wall_us() / 1000000 - 4990);
    finish(s);
    assert_int_equal(hx_search_count(s), 2);
    hx_search_free(s);
    /* and on from there */
    s = begin((struct hx_job_filter){ .status = -1, .type = "b", .until = hx_wall_us() - INT64_C(5000000000) });
    finish(s);
    assert_int_equal(hx_search_count(s), 1);
    hx_search_free(s);
}

static void the_newest_of_all_are_one_step(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    fill(2000, 1, "a", "succeeded", "");
    struct hx_search *s = begin((struct hx_job_filter){ .status = -1 });
    assert_int_equal(finish(s), 2);
    assert_int_equal(hx_search_looked(s), 50);
    hx_search_free(s);
}

/* Of a type that is rare among many, and of an organisation. */
static void the_rare_are_one_step(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    fill(20000, 20000, "z", "succeeded", "");
    struct hx_search *s = begin((struct hx_job_filter){ .status = -1, .type = "z" });
    assert_int_equal(finish(s), 2);
    assert_int_equal(hx_search_looked(s), 1);
    assert_int_equal(hx_search_count(s), 1);
    hx_search_free(s);
    struct hx_uuid org = hx_uuid_v4();
    struct hx_new_job job = new_job("a");
    job.org_id = org;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, &job, 1));
    s = begin((struct hx_job_filter){ .status = HX_QUEUED, .org_id = &org });
    assert_int_equal(finish(s), 2);
    assert_int_equal(hx_search_count(s), 1);
    hx_search_free(s);
}

/* Those with an error are in order within each code alone. */
static void dead_letters_of_several_codes_are_in_order(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    fill(4000, 4000, "b", "dead_letter", "code");
    struct hx_search *s = begin((struct hx_job_filter){ .status = HX_DEAD_LETTER, .limit = 64 });
    finish(s);
    assert_int_equal(hx_search_count(s), 64);
    assert_true(hx_search_looked(s) < 4000);
    char oldest[64];
    snprintf(oldest, sizeof oldest, "%s", value("select id from job order by id desc offset 63 limit 1"));
    assert_has(hx_search_job(s, 63), oldest);
    hx_search_free(s);
    s = begin((struct hx_job_filter){ .status = HX_DEAD_LETTER, .type = "b" });
    assert_true(finish(s) > 2);
    assert_int_equal(hx_search_count(s), 1);
    assert_int_equal(hx_search_looked(s), 4000);
    hx_search_free(s);
    assert_int_equal(found((struct hx_job_filter){ .status = HX_CANCELED }, ""), 0);
}

LEDGER_MAIN(LEDGER_TEST(by_status_and_filter), LEDGER_TEST(queued_on_both_sides_of_the_sweep),
            LEDGER_TEST(newest_first), LEDGER_TEST(a_long_walk_goes_step_by_step),
            LEDGER_TEST(the_newest_of_all_are_one_step), LEDGER_TEST(the_rare_are_one_step),
            LEDGER_TEST(dead_letters_of_several_codes_are_in_order))
