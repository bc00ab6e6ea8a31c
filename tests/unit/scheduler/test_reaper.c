/* The line of deaths, with a database that answers what it is told. */
#include "tests/unit/scheduler/fake_tx.h"

#include "scheduler/death.h"

static int started;

int hx_ledger_reap(struct hx_pg_tx *tx, const struct hx_death *death) {
    hx_buf_printf(&tx->told, " %d %s: %s %s", (int)death->worker, death->code, death->message, death->detail);
    return 2;
}

struct hx_reaped hx_ledger_read_reaped(const struct hx_pg_tx *tx, int statement) {
    (void)tx, (void)statement;
    return (struct hx_reaped){ 0 };
}

int64_t hx_config_int(const struct hx_config *c, enum hx_key key) {
    (void)c, (void)key;
    return 1;
}

void scheduler_started(struct scheduler *s) {
    assert_ptr_equal(s, &scheduler);
    started++;
}

static int begin(void **state) {
    (void)state;
    hx_log_init(&(struct hx_log_options){ .service = "test", .format = HX_LOG_TEXT, .level = HX_LOG_ERR });
    scheduler = (struct scheduler){ .checked = true };
    started = 0;
    assert_int_equal(hx_loop_new(&scheduler.loop), 0);
    scheduler.reaper = reaper_new(&scheduler);
    return 0;
}

static int end(void **state) {
    (void)state;
    if (pending)
        pending = hx_pg_tx_free(pending);
    reaper_free(scheduler.reaper);
    hx_loop_free(scheduler.loop);
    return 0;
}

static void add(int32_t worker) {
    reaper_add(scheduler.reaper, death_without_evidence(worker, "SIGSEGV", "it died"));
}

static void deaths_are_written_one_after_the_other(void **state) {
    (void)state;
    add(7);
    add(8);
    add(7); /* told of twice */
    check_asked("reaper: 7 SIGSEGV: it died {}");
    answer(NULL);
    assert_int_equal(started, 0);
    check_asked("reaper: 8 SIGSEGV: it died {}");
    answer(NULL);
    assert_true(reaper_idle(scheduler.reaper));
    assert_int_equal(started, 1);
}

static void an_outage_changes_nothing_about_a_death(void **state) {
    (void)state;
    add(7);
    check_asked("reaper: 7 SIGSEGV: it died {}");
    refuse(HX_PG_UNAVAILABLE, "");
    check_asked("reaper: 7 SIGSEGV: it died {}");
}

/* What the dead one printed may be anything. Those behind it must not wait for it for good. */
static void a_death_that_the_database_refuses_is_told_in_plain_words(void **state) {
    (void)state;
    add(7);
    add(8);
    check_asked("reaper: 7 SIGSEGV: it died {}");
    refuse(HX_PG_DATA, "22P05");
    check_asked("reaper: 7 unknown: the worker died; how can't be written down {}");
    answer(NULL);
    check_asked("reaper: 8 SIGSEGV: it died {}");
    answer(NULL);
    assert_true(reaper_idle(scheduler.reaper));
}

static void answered(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    const char *op = "";
    (void)channel, (void)fd;
    hx_json_get_string(message, "op", &op);
    assert_string_equal(op, "answered");
    assert_int_equal(hx_json_get_int(message, "death", user), 1);
}

/* From its answer on the supervisor knows nothing of the death any more. */
static void the_supervisor_is_answered_when_it_is_written(void **state) {
    (void)state;
    int ends[2];
    struct hx_channel *supervisor;
    json_int_t death = 0;
    assert_int_equal(hx_channel_pair(ends), 0);
    assert_int_equal(hx_channel_new(scheduler.loop, ends[0], answered, &death, &scheduler.channel), 0);
    assert_int_equal(hx_channel_new(scheduler.loop, ends[1], answered, &death, &supervisor), 0);
    _cleanup_json_ json_t *told = json_pack("{s:s,s:i,s:i}", "op", "death", "death", 5, "worker", 7);
    reaper_add(scheduler.reaper, death_from_message(told, -1));
    check_asked("reaper: 7 unknown: the worker died {}");
    hx_channel_read(supervisor);
    assert_int_equal(death, 0);
    refuse(HX_PG_UNAVAILABLE, "");
    check_asked("reaper: 7 unknown: the worker died {}");
    hx_channel_read(supervisor);
    assert_int_equal(death, 0);
    answer(NULL);
    hx_channel_read(supervisor);
    assert_int_equal(death, 5);
    hx_channel_free(supervisor);
    scheduler.channel = hx_channel_free(scheduler.channel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deaths_are_written_one_after_the_other, begin, end),
        cmocka_unit_test_setup_teardown(an_outage_changes_nothing_about_a_death, begin, end),
        cmocka_unit_test_setup_teardown(a_death_that_the_database_refuses_is_told_in_plain_words, begin, end),
        cmocka_unit_test_setup_teardown(the_supervisor_is_answered_when_it_is_written, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
