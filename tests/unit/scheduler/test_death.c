#include "scheduler/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct memory {
    int fd;
    struct hx_evidence *evidence;
};

static int setup(void **state) {
    struct memory *m = hx_alloc(sizeof *m);
    *state = m;
    return hx_evidence_create(&m->fd, &m->evidence);
}

static int teardown(void **state) {
    struct memory *m = *state;
    hx_evidence_unmap(m->evidence);
    close(m->fd);
    free(m);
    return 0;
}

static struct hx_uuid id(uint8_t last) {
    return (struct hx_uuid){ .b = { [15] = last } };
}

static void put(struct memory *m, size_t at, uint8_t job, int32_t fence, uint32_t state) {
    struct hx_evidence_entry *entry = &m->evidence->entries[at];
    entry->job_id = id(job);
    entry->fence = fence;
    atomic_store(&entry->state, state);
}

static json_t *message(void) {
    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:{s:i}}", "op", "death", "death", 7, "worker", 12, "code", "SIGSEGV",
                     "message", "worker 12 died by SIGSEGV", "detail", "pid", 4711);
}

static void the_evidence_becomes_sorted_arrays(void **state) {
    struct memory *m = *state;
    put(m, 0, 9, 1, HX_EVIDENCE_STARTED);
    put(m, 5, 3, 2, HX_EVIDENCE_ENDED);
    put(m, HX_EVIDENCE_ENTRIES - 1, 5, 1, HX_EVIDENCE_STARTED);
    _cleanup_json_ json_t *text = message();
    struct death *d = death_from_message(text, m->fd);
    assert_non_null(d);
    assert_int_equal(d->number, 7);
    assert_int_equal(d->worker, 12);
    assert_false(d->no_evidence);
    assert_int_equal(d->n, 3);
    const uint8_t jobs[] = { 3, 5, 9 };
    const bool ended[] = { true, false, false };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(d->ids[i].b[15], jobs[i]);
        assert_int_equal(d->ended[i], ended[i]);
    }
    assert_int_equal(d->fences[0], 2);
    assert_string_equal(d->code, "SIGSEGV");
    assert_string_equal(d->message, "worker 12 died by SIGSEGV");
    assert_string_equal(d->detail, "{\"pid\":4711}");
    death_free(d);
}

static void what_was_cut_short_counts_as_ended(void **state) {
    struct memory *m = *state;
    put(m, 0, 3, 2, HX_EVIDENCE_STARTED);
    put(m, 1, 4, 1, HX_EVIDENCE_ENDED);
    _cleanup_json_ json_t *text = message();
    json_object_set_new(text, "cut_short", json_true());
    struct death *d = death_from_message(text, m->fd);
    assert_int_equal(d->n, 2);
    assert_true(d->ended[0] && d->ended[1]);
    death_free(d);
}

static void one_run_counts_once_and_started_wins(void **state) {
    struct memory *m = *state;
    put(m, 0, 3, 2, HX_EVIDENCE_ENDED);
    put(m, 1, 3, 2, HX_EVIDENCE_STARTED);
    put(m, 2, 3, 1, HX_EVIDENCE_ENDED); /* an earlier run: the fence tells */
    put(m, 3, 4, 1, 77);                /* in no state that we know */
    _cleanup_json_ json_t *text = message();
    struct death *d = death_from_message(text, m->fd);
    assert_int_equal(d->n, 2);
    assert_int_equal(d->fences[0], 1);
    assert_true(d->ended[0]);
    assert_int_equal(d->fences[1], 2);
    assert_false(d->ended[1]);
    death_free(d);
}

static void the_evidence_may_be_full(void **state) {
    struct memory *m = *state;
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++)
        put(m, i, (uint8_t)i, (int32_t)i, HX_EVIDENCE_STARTED);
    _cleanup_json_ json_t *text = message();
    struct death *d = death_from_message(text, m->fd);
    assert_int_equal(d->n, HX_EVIDENCE_ENTRIES);
    death_free(d);
}

static void without_readable_evidence_everything_counts_as_started(void **state) {
    struct memory *m = *state;
    _cleanup_json_ json_t *text = message();
    struct death *d = death_from_message(text, -1);
    assert_true(d->no_evidence);
    death_free(d);
    m->evidence->magic = 0;
    d = death_from_message(text, m->fd);
    assert_true(d->no_evidence);
    assert_int_equal(d->n, 0);
    death_free(d);
}

static void the_evidence_knows_the_worker_when_the_message_does_not(void **state) {
    struct memory *m = *state;
    atomic_store(&m->evidence->worker_id, 31);
    _cleanup_json_ json_t *text = json_pack("{s:s, s:i}", "op", "death", "death", 1);
    struct death *d = death_from_message(text, m->fd);
    assert_int_equal(d->worker, 31);
    assert_string_equal(d->code, "unknown");
    assert_string_equal(d->detail, "{}");
    death_free(d);
}

static void nonsense_is_refused_or_cut(void **state) {
    (void)state;
    _cleanup_json_ json_t *nothing = json_pack("{s:s}", "op", "death");
    assert_null(death_from_message(nothing, -1));
    char code[301];
    memset(code, 'x', 300);
    code[300] = '\0';
    _cleanup_json_ json_t *text =
        json_pack("{s:i, s:I, s:s, s:[i]}", "death", 1, "worker", (json_int_t)1 << 40, "code", code, "detail", 1);
    struct death *d = death_from_message(text, -1);
    assert_int_equal(d->worker, 0);
    assert_int_equal(strlen(d->code), 100);
    assert_string_equal(d->detail, "{}");
    death_simplify(d);
    assert_string_equal(d->code, "unknown");
    death_free(d);
}

static void the_ledger_gets_it_all(void **state) {
    (void)state;
    struct death *d = death_without_evidence(4, "SIGKILL", "why");
    struct hx_death death = death_for_ledger(d, 1000, 60000, 3);
    assert_int_equal(death.worker, 4);
    assert_true(death.no_evidence);
    assert_int_equal(death.n, 0);
    assert_string_equal(death.code, "SIGKILL");
    assert_int_equal(death.backoff_base_ms, 1000);
    assert_int_equal(death.backoff_max_ms, 60000);
    assert_int_equal(death.max_crashes, 3);
    death_free(d);
    assert_null(death_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_evidence_becomes_sorted_arrays, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_cut_short_counts_as_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(one_run_counts_once_and_started_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(the_evidence_may_be_full, setup, teardown),
        cmocka_unit_test_setup_teardown(without_readable_evidence_everything_counts_as_started, setup, teardown),
        cmocka_unit_test_setup_teardown(the_evidence_knows_the_worker_when_the_message_does_not, setup, teardown),
        cmocka_unit_test(nonsense_is_refused_or_cut),
        cmocka_unit_test(the_ledger_gets_it_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
