/* Losing the connection: terminated, cut, frozen; who is in doubt, and who goes on. */
#include "tests/unit/lib/pg/live.h"

#include "tests/unit/lib/pg/fake_server.h"

#include <fcntl.h>
#include <signal.h>

static const struct hx_pg_options defaults = { .timeout_ms = 5000, .depth = 4, .application_name = "test_pg_lost" };
static const struct hx_pg_stmt one = { "one", "select 1::int8" };
static const struct hx_pg_stmt nap = { "nap", "select 1 from pg_sleep(3)" };
static const struct hx_pg_stmt pid = { "pid", "select pg_backend_pid()" };

static void open_at(struct live *l, const char *host, const char *port, int64_t timeout_ms) {
    struct hx_pg_options options = defaults;
    options.timeout_ms = timeout_ms;
    live_open_at(l, host, port, options);
}

static void a_terminated_backend_says_so(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    live_open(&l, &defaults);
    struct outcome first, o, queued[6], other;
    assert_int_equal(live_run(&l, &pid, &first), HX_PG_OK);
    live_submit(&l, &nap, 0, &o);
    for (int i = 0; i < 6; i++)
        live_submit(&l, &pid, 0, &queued[i]); /* prepared already: it doesn't wait for its Prepare */

    struct live killer;
    live_open(&killer, &defaults);
    static const struct hx_pg_stmt terminate = {
        "terminate",
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'test_pg_lost'"
        " and query like '%pg_sleep(3)%' and pid <> pg_backend_pid() and datname = current_database()"
    };
    do
        assert_int_equal(live_run(&killer, &terminate, &other), HX_PG_OK);
    while (other.number == 0);
    LIVE_UNTIL(&l, hx_pg_pending(l.pg) == 0);
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_string_equal(o.error.sqlstate, "57P01");
    assert_int_equal(o.error.statement, 0);
    assert_false(o.error.in_doubt); /* it was refused before its end */
    assert_int_equal(o.error.backend_pid, first.number);
    for (int i = 0; i < 6; i++) {
        /* three were in flight behind it, with their Sync; the others weren't sent and went on */
        assert_int_equal(queued[i].class, i < 3 ? HX_PG_UNAVAILABLE : HX_PG_OK);
        assert_int_equal(queued[i].error.in_doubt, i < 3);
    }
    assert_int_equal(l.downs, 1);
    assert_int_equal(l.ups, 2);
    assert_string_equal(l.why.sqlstate, "57P01");
    assert_int_equal(l.why.backend_pid, first.number);
    live_close(&killer);
    live_close(&l);
}

/* libpq tells of a COPY with the client again and again, and can't leave it in a pipeline: the connection goes, the handle stays. */
static void a_copy_with_the_client_is_refused(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt copies[] = {
        { "make", "create temporary table copied (n int4)" },
        { "out", "copy (select 1) to stdout" },
        { "in", "copy pg_temp.copied from stdin" },
    };
    struct live l;
    for (size_t i = 1; i < HX_ARRAY_LEN(copies); i++) {
        live_open(&l, &defaults);
        struct outcome o = { 0 }, behind;
        struct hx_pg_tx *tx = hx_pg_tx_new("copy");
        hx_pg_tx_add(tx, &copies[0]);
        hx_pg_tx_add(tx, &copies[i]);
        hx_pg_submit(l.pg, tx, 0, outcome_cb, &o);
        live_submit(&l, &one, 0, &behind);
        LIVE_UNTIL(&l, hx_pg_pending(l.pg) == 0);
        assert_int_equal(o.ends, 1);
        assert_int_equal(o.class, HX_PG_DATA);
        assert_string_equal(o.error.message, "COPY with the client isn't supported here");
        assert_int_equal(o.error.statement, 1);
        assert_int_equal(o.error.in_doubt, i == 1); /* what waits for our data can't have been committed */
        assert_int_equal(l.downs, 1);
        assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
        live_close(&l);
    }
}

static void an_idle_connection_knows_why_it_was_closed(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l, killer;
    live_open(&l, &defaults);
    live_open(&killer, &defaults);
    struct outcome o;
    assert_int_equal(live_run(&l, &pid, &o), HX_PG_OK);
    static const struct hx_pg_stmt terminate = { "terminate", "select pg_terminate_backend($1::int4)" };
    struct hx_pg_tx *tx = hx_pg_tx_new("terminate");
    hx_pg_tx_add(tx, &terminate);
    hx_pg_int4(tx, (int32_t)o.number);
    assert_int_equal(hx_pg_run(killer.pg, tx, 0, NULL, NULL, NULL), HX_PG_OK);
    LIVE_UNTIL(&l, l.downs == 1);
    assert_string_equal(l.why.sqlstate, "57P01");
    LIVE_UNTIL(&l, l.ups == 2);
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    live_close(&killer);
    live_close(&l);
}

static void a_cut_connection_leaves_doubt(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct fake f = { .relay = true };
    fake_start(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 5000);
    struct outcome before, o, after;
    assert_int_equal(live_run(&l, &pid, &before), HX_PG_OK);
    f.frozen_to_client = true; /* the answer gets lost */
    long bytes = f.to_server;
    live_submit(&l, &one, 0, &o);
    LIVE_UNTIL(&l, f.to_server > bytes);
    f.cut = true;
    LIVE_UNTIL(&l, o.ends);
    f.frozen_to_client = false;
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_true(o.error.in_doubt);
    assert_int_equal(o.error.statement, -1);
    assert_int_equal(o.error.backend_pid, before.number);
    assert_int_equal(live_run(&l, &one, &after), HX_PG_OK);
    assert_int_equal(l.ups, 2);
    live_close(&l);
    fake_stop(&f);
}

static void a_frozen_server_meets_the_deadline(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct fake f = { .relay = true };
    fake_start(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 5000);
    struct outcome o[5], queued;
    assert_int_equal(live_run(&l, &one, &o[0]), HX_PG_OK);
    f.frozen_to_client = f.frozen_to_server = true;
    int64_t start = hx_mono_ms();
    for (int i = 0; i < 4; i++)
        live_submit(&l, &one, i == 2 ? 600 : 5000, &o[i]);
    live_submit(&l, &pid, 10000, &queued);
    LIVE_UNTIL(&l, o[2].ends);
    f.cut = true;
    f.frozen_to_client = f.frozen_to_server = false;
    assert_in_range(o[2].at_ms - start, 590, 4999); /* the others' deadline */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(o[i].class, HX_PG_UNAVAILABLE);
        assert_true(o[i].error.in_doubt);
        assert_string_equal(o[i].error.message, "no answer within 600 ms");
    }
    LIVE_UNTIL(&l, queued.ends);
    assert_int_equal(queued.class, HX_PG_OK);
    live_close(&l);
    fake_stop(&f);
}

static void without_a_sync_there_is_no_doubt(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt echo = { "echo", "select $1::text" };
    enum { BYTES = 16 << 20 };
    _cleanup_free_ char *text = hx_alloc(BYTES + 1);
    memset(text, 'y', BYTES);
    struct fake f = { .relay = true };
    fake_start(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 5000);
    struct outcome o;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    f.frozen_to_server = true;
    struct hx_pg_tx *tx = hx_pg_tx_new("echo");
    hx_pg_tx_add(tx, &echo);
    hx_pg_text(tx, text);
    assert_true(hx_pg_tx_bytes(tx) == BYTES);
    o = (struct outcome){ 0 };
    hx_pg_submit(l.pg, tx, 500, outcome_cb, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_false(o.error.in_doubt);
    live_close(&l);
    fake_stop(&f);
}

static void a_stopped_backend_meets_the_deadline(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    live_open(&l, &defaults);
    struct outcome o;
    assert_int_equal(live_run(&l, &pid, &o), HX_PG_OK);
    pid_t backend = (pid_t)o.number;
    char exe[64], name[64] = "";
    snprintf(exe, sizeof exe, "/proc/%d/comm", backend);
    FILE *comm = fopen(exe, "r"); /* the server may run on another host, or belong to somebody else */
    bool ours = comm && fgets(name, sizeof name, comm) && strcmp(name, "postgres\n") == 0;
    if (comm)
        fclose(comm);
    if (!ours || kill(backend, SIGSTOP) != 0) {
        live_close(&l);
        skip();
    }
    int64_t start = hx_mono_ms();
    live_submit(&l, &one, 700, &o);
    LIVE_UNTIL(&l, o.ends);
    kill(backend, SIGCONT);
    assert_in_range(o.at_ms - start, 690, 4999); /* the default */
    assert_true(o.error.in_doubt);
    assert_int_equal(o.error.backend_pid, backend);
    assert_int_equal(live_run(&l, &pid, &o), HX_PG_OK);
    assert_int_not_equal(o.number, backend);
    live_close(&l);
}

static int turn_away(int listener) {
    int fd = accept(listener, NULL, NULL);
    return fd < 0 ? 0 : (close(fd), 1);
}

/* By the usual pauses so many attempts take a minute. */
static void it_tries_again_as_often_as_asked(void **state) {
    (void)state;
    char port[8];
    int listener = fake_listen(port), attempts = 0;
    assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    struct hx_pg_options options = defaults;
    options.keywords = (const char *const[]){ "host", "port", "sslmode", "gssencmode", NULL };
    options.values = (const char *const[]){ "127.0.0.1", port, "disable", "disable", NULL };
    options.pause_max_ms = 20;
    struct live l;
    live_open(&l, &options);
    LIVE_UNTIL(&l, (attempts += turn_away(listener)) >= 40);
    live_close(&l);
    close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminated_backend_says_so),
        cmocka_unit_test(a_copy_with_the_client_is_refused),
        cmocka_unit_test(an_idle_connection_knows_why_it_was_closed),
        cmocka_unit_test(a_cut_connection_leaves_doubt),
        cmocka_unit_test(a_frozen_server_meets_the_deadline),
        cmocka_unit_test(without_a_sync_there_is_no_doubt),
        cmocka_unit_test(a_stopped_backend_meets_the_deadline),
        cmocka_unit_test(it_tries_again_as_often_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
