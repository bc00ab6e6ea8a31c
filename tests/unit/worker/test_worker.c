/* The whole worker, tick by tick, against a database that fails in every way it knows: whatever happens, each job comes to its end, each
 * of its claims ends once, and no row of a claim is left over. */
#include "tests/unit/worker/fixture.h"

#include "lib/ledger/schema.h"
#include "lib/kafka/record.h"

enum { JOBS = 240, PROGRAMS = 12, ROUNDS = 24, PER_RECORD = 12 };

static struct hx_timer *server_timer;
static uint64_t dice;
static int64_t deadline;
static bool calm; /* nothing fails by itself */
static bool busy; /* there is always more to do */
static unsigned served;

static unsigned roll(unsigned n) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice >> 33) % n;
}

/* What must hold whenever something is sent. */
static void check_submitted(struct hx_pg_tx *tx) {
    if (!hx_streq(tx->name, "work"))
        return;
    size_t n = 0;
    for (size_t i = 0; i < pending_count; i++)
        n += hx_streq(pending[i]->name, "work");
    assert_in_range(n, 1, FLIGHTS);
    assert_int_equal(worker.doubts, 0);
    assert_in_range(worker.builtin_running + worker.builtin_claiming, 0, settings[HX_WORKER_BATCH]);
    assert_in_range(worker.slots_running + worker.slots_claiming, 0, settings[HX_WORKER_SLOTS]);
    assert_false(worker.claims_skipped && statement_of(tx, CLAIM));
}

static void take_due(struct hx_pg_tx *tx) {
    for (size_t i = 0; i < tx->n; i++) {
        struct statement *s = tx->v[i];
        int left = s->number;
        for (unsigned n = 1; n <= JOBS && left; n++) {
            struct hx_uuid id = id_of(n);
            bool builtin = hx_streq(jobs[n].type, MOCK);
            if ((jobs[n].status != HX_FAILED && jobs[n].status != HX_QUEUED) || builtin != hx_streq(s->type, MOCK))
                continue;
            jobs[n].status = HX_QUEUED;
            add_row(s, &id);
            left--;
        }
    }
    answer(tx);
}

static void serve_side(struct hx_pg_tx *tx) {
    if (hx_streq(tx->name, "take")) {
        take_due(tx);
        return;
    }
    if (hx_streq(tx->name, "schema")) {
        tx->v[0]->row_count = 1;
        tx->v[0]->text[0] = hx_schema_head();
    } else if (hx_streq(tx->name, "register")) {
        tx->v[1]->number = 7;
    } else if (hx_streq(tx->name, "renew")) {
        tx->v[0]->yes = true;
    }
    answer(tx);
}

/* The connection breaks: of what is on its way the first may have committed, and only then the second. */
static void break_connection(void) {
    bool did_commit = true;
    for (size_t n = pending_count; n; n--)
        for (size_t i = 0; i < pending_count; i++)
            if (hx_streq(pending[i]->name, "work")) {
                did_commit = did_commit && !is_poisoned(pending[i]) && roll(2);
                lose(pending[i], did_commit);
                break;
            }
}

/* Who doesn't learn it asks again after a pause, which is cut short. */
static void serve_ask(struct hx_pg_tx *tx, unsigned fate) {
    const struct flight *f = tx->user;
    unsigned doubts = worker.doubts;
    backend_alive = fate < 10;
    if (fate < 20 && !backend_alive)
        refuse(tx, HX_PG_UNAVAILABLE, "57P01");
    else
        commit(tx);
    if (!worker.leaving && worker.doubts == doubts)
        hx_timer_set(f->ask, 2);
}

static void serve_work(struct hx_pg_tx *tx) {
    unsigned fate = calm ? 99 : roll(100);
    if (hx_streq(tx->name, "ask")) {
        serve_ask(tx, fate);
    } else if (fate < 8) {
        refuse(tx, HX_PG_RETRY, "40P01");
    } else if (fate < 16) {
        refuse(tx, HX_PG_UNAVAILABLE, "57P01");
    } else if (fate < 26) {
        break_connection();
    } else if (is_poisoned(tx)) {
        refuse(tx, HX_PG_DATA, "22P05");
    } else {
        commit(tx);
    }
}

static bool all_ended(void) {
    for (unsigned n = 1; n <= JOBS; n++)
        if (!hx_status_terminal(jobs[n].status))
            return false;
    return !claims_held() && !worker.run_count;
}

/* Jobs that have ended come in again as new ones. */
static void keep_busy(void) {
    for (unsigned n = 2; n <= JOBS && backlog_builtin(worker.backlog) < 8; n++) {
        if (jobs[n].type && (!hx_status_terminal(jobs[n].status) || run_of(n)))
            continue;
        announce(n, n, MOCK);
    }
    if (jobs[1].status == HX_DEAD_LETTER) {
        busy = false;
        worker_drain(&worker);
    }
    assert_in_range(served, 0, 300);
}

/* Under load it answers a transaction when the next has come. */
static bool is_served(void) {
    static unsigned rounds;
    if (!busy)
        return roll(2);
    rounds = worker.flights == FLIGHTS ? 100 : rounds + 1;
    if (rounds < 8)
        return false;
    rounds = 0;
    return true;
}

/* A transaction a round, in the order of each connection; pauses are cut short. */
static void serve(void *user) {
    (void)user;
    assert_true(hx_mono_ms() < deadline);
    struct hx_pg_tx *work = NULL, *side = NULL;
    for (size_t i = pending_count; i--;)
        *(pending[i]->pg == &work_pg ? &work : &side) = pending[i];
    if (side)
        serve_side(side);
    if (work && is_served()) {
        served++;
        serve_work(work);
    }
    if (busy && worker.registered)
        keep_busy();
    if (worker.work_pause && !worker.flights) /* it is longer than what else is on its way */
        hx_timer_clear(worker.work_pause);
    if (worker.take_timer && hx_timer_armed(worker.take_timer))
        hx_timer_set(worker.take_timer, 0);
    if (!busy && all_ended())
        worker_drain(&worker);
    if (!worker.leaving)
        hx_timer_set(server_timer, 0);
}

static const char *payload_of(unsigned n) {
    static const char *const payloads[] = { "{}",
                                            "{}",
                                            "{\"fail\":\"error\",\"fail_attempts\":1}",
                                            "{\"fail\":\"permanent\"}",
                                            "{\"duration_ms\":4}",
                                            "{\"fail\":\"error\"}",
                                            "{\"fail\":\"hang\",\"fail_attempts\":1}" };
    return payloads[n % HX_ARRAY_LEN(payloads)];
}

static struct hx_buf record_data[2 * JOBS / PER_RECORD];

/* Each job is announced twice: a redelivery must change nothing. */
static void publish_all(void) {
    for (unsigned n = 1; n <= JOBS; n++) {
        add_job(n, n <= PROGRAMS ? SHELL : MOCK);
        jobs[n].payload = payload_of(n);
        jobs[n].timeout_ms = n <= PROGRAMS ? 60000 : 5;
        jobs[n].poison = n % 37 == 0;
    }
    for (unsigned k = 0; k < HX_ARRAY_LEN(record_data); k++) {
        struct hx_uuid ids[PER_RECORD];
        unsigned first = k % (JOBS / PER_RECORD) * PER_RECORD + 1;
        for (unsigned i = 0; i < PER_RECORD; i++)
            ids[i] = id_of(first + i);
        assert_int_equal(hx_announcement_encode(&record_data[k], jobs[first + PER_RECORD - 1].type, ids, PER_RECORD),
                         0);
        records[k] = (struct hx_record){ .topic = "t", .offset = k };
        records[k].data = record_data[k].data;
        records[k].size = record_data[k].len;
    }
    record_count = HX_ARRAY_LEN(record_data);
}

static int set_up(void **state) {
    (void)state;
    reset_fakes();
    /* condemned outcomes are errors, and many */
    hx_log_init(&(struct hx_log_options){ .service = "test", .format = HX_LOG_TEXT, .level = HX_LOG_ERR });
    worker = (struct worker){ .instance = "main" };
    worker.label = hx_strdup("host/main/0");
    assert_int_equal(hx_loop_new(&worker.loop), 0);
    assert_int_equal(hx_evidence_create(&evidence_fd, &worker.evidence), 0);
    server_timer = hx_timer_new(worker.loop, serve, NULL);
    hx_timer_set(server_timer, 0);
    on_submit = check_submitted;
    busy = false;
    served = 0;
    deadline = hx_mono_ms() + 60000;
    shell_argv[2] = "exit 0";
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hx_timer_free(server_timer);
    hx_loop_free(worker.loop);
    hx_evidence_unmap(worker.evidence);
    close(evidence_fd);
    free(worker.label);
    for (size_t i = 0; i < HX_ARRAY_LEN(record_data); i++)
        hx_buf_reset(&record_data[i]);
    reset_fakes();
    return 0;
}

static int times(const struct hx_buf *text, const char *part) {
    int n = 0;
    for (const char *p = text->data; p && (p = strstr(p, part)); p++)
        n++;
    return n;
}

/* How each job had to end. A program of the first ones has no attempt to lose. */
static void check_end(unsigned n) {
    const struct job *j = &jobs[n];
    assert_int_equal(j->ends, j->fence); /* each claim came to one end */
    if (j->poison)
        assert_int_equal(j->status, HX_DEAD_LETTER);
    else if (n > PROGRAMS && strstr(j->payload, "permanent"))
        assert_string_equal(j->code, "mock_permanent");
    else if (n > PROGRAMS && hx_streq(j->payload, "{\"fail\":\"error\"}"))
        assert_int_equal(j->attempt, 3);
    else if (n <= PROGRAMS || hx_streq(j->payload, "{}"))
        assert_int_equal(j->status, HX_SUCCEEDED);
    if (n > PROGRAMS && strstr(j->payload, "duration_ms"))
        assert_int_equal(times(&j->told, "\"extracting\""), j->fence); /* each run told its first stage, once */
}

static void run_to_the_end(bool without_failures, uint64_t seed) {
    calm = without_failures;
    dice = seed;
    publish_all();
    assert_int_equal(worker_run(&worker), HX_EXIT_OK);
    for (unsigned n = 1; n <= JOBS; n++)
        check_end(n);
    assert_int_equal(claims_held(), 0);
    assert_int_equal(pending_count, 0);
    assert_true(stored_count > 0 && stored[stored_count - 1] == (int64_t)record_count);
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++)
        assert_int_equal(worker.evidence->entries[i].state, HX_EVIDENCE_FREE);
}

static void in_fair_weather(void **state) {
    (void)state;
    run_to_the_end(true, 1);
}

static void in_any_weather(void **state) {
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        run_to_the_end(false, seed);
        tear_down(state);
        set_up(state);
    }
}

/* The success of the transactions beside it doesn't undo the search: the rest of its batch is not held up for ever. */
static void a_bad_value_is_found_under_load(void **state) {
    (void)state;
    calm = busy = true;
    dice = 1;
    for (unsigned n = 1; n <= JOBS; n++)
        add_job(n, MOCK);
    jobs[1].poison = true;
    struct hx_uuid id = id_of(1);
    assert_int_equal(hx_announcement_encode(&record_data[0], MOCK, &id, 1), 0);
    records[record_count++] =
        (struct hx_record){ .topic = "t", .data = record_data[0].data, .size = record_data[0].len };
    assert_int_equal(worker_run(&worker), HX_EXIT_OK);
    assert_string_equal(jobs[1].code, "22P05");
    assert_int_equal(claims_held(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_fair_weather, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_any_weather, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_value_is_found_under_load, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
