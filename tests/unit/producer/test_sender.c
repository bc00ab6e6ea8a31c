/* The sender against a ledger that does as it is told: what is sent again, what is halved, and in which order answers come. */
#include "producer/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/producer/fake_ledger.h"

#include "common/clock.h"
#include "common/text.h"

#include <string.h>

/* ---- what is tested ---- */

struct fixture {
    struct hx_loop *loop;
    struct sender *sender;
    struct hx_buf told;             /* settled batches as "lines of their jobs;", refused ones as "!line " */
    struct answer last[BATCH_JOBS]; /* of the batch settled last */
};

static void on_settled(const struct batch *b, void *user) {
    struct fixture *f = user;
    for (size_t i = 0; i < b->n; i++)
        if (!b->answers[i].refused)
            hx_buf_printf(&f->told, "%d ", (int)b->lines[i]);
    hx_buf_putc(&f->told, ';');
    memcpy(f->last, b->answers, sizeof(f->last));
}

static void on_refused(uint64_t line, const char *why, void *user) {
    struct fixture *f = user;
    assert_string_equal(why, "told so");
    hx_buf_printf(&f->told, "!%d ", (int)line);
}

static struct fixture *fixture(bool skip_refused) {
    struct fixture *f = hx_alloc(sizeof(*f));
    assert_int_equal(hx_loop_new(&f->loop), 0);
    f->sender = sender_new(&(struct sender_options){
        .loop = f->loop,
        .timeout_ms = 5000,
        .skip_refused = skip_refused,
        .settled = on_settled,
        .refused = on_refused,
        .user = f,
    });
    sent_count = published = delivered_count = 0;
    answer_delayed = false;
    return f;
}

static void end(struct fixture *f) {
    for (size_t i = 0; i < sent_count; i++)
        free(sent[i]);
    sender_free(f->sender);
    hx_loop_free(f->loop);
    hx_buf_reset(&f->told);
    free(f);
}

static void check_told(struct fixture *f, const char *expected) {
    assert_string_equal(f->told.data ? f->told.data : "", expected);
}

/* Jobs of lines first to last; key NULL or one for all of them. */
static struct batch *add(struct fixture *f, int first, int last, const char *key) {
    struct batch *b = sender_take_spare(f->sender);
    for (int line = first; line <= last; line++) {
        *batch_next(b) = (struct hx_new_job){ .type = "t", .key = key };
        batch_accept(b, (uint64_t)line);
    }
    sender_add(f->sender, b);
    return b;
}

static void wait_until_sent(struct fixture *f, size_t count) {
    int64_t deadline = hx_mono_ms() + 5000;
    while (sent_count < count) {
        hx_loop_once(f->loop, 100);
        assert_true(hx_mono_ms() < deadline);
    }
}

static void answers_in_order(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    add(f, 1, 2, NULL);
    add(f, 3, 4, NULL);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sender_pending(f->sender), 2);
    commit(1);
    check_told(f, "");
    commit(0);
    check_told(f, "1 2 ;3 4 ;");
    assert_int_equal(published, 4);
    assert_int_equal(sender_pending(f->sender), 0);
    assert_null(sender_error(f->sender));
    end(f);
}

/* It stands in waiting, and is announced when its time has come. */
static void what_is_delayed_is_not_announced(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    answer_delayed = true;
    add(f, 1, 2, NULL);
    commit(0);
    check_told(f, "1 2 ;");
    assert_int_equal(published, 0);
    end(f);
}

/* The server took the commit, but its answer was lost: the same ids again, and what isn't new was ours. */
static void in_doubt_is_sent_again(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    sender_connected(f->sender);
    struct batch *b = add(f, 1, 3, NULL);
    struct hx_uuid first = b->jobs[0].id;
    assert_true(sent[0]->new_only);
    fail_with(0, HX_PG_UNAVAILABLE, true);
    check_told(f, "");
    wait_until_sent(f, 2);
    assert_int_equal(sent[1]->n, 3);
    assert_false(sent[1]->new_only); /* they may be there */
    assert_true(hx_uuid_eq(&sent[1]->jobs[0].id, &first));
    commit_but(1, 0, 3);
    check_told(f, "1 2 3 ;");
    assert_true(f->last[0].created);
    assert_int_equal(published, 0); /* the lost attempt's outbox row is the relay's */
    end(f);
}

static void deadlocks_are_tried_again(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    add(f, 1, 2, NULL);
    add(f, 3, 4, NULL);
    fail_with(0, HX_PG_RETRY, false);
    commit(1);
    check_told(f, "");
    wait_until_sent(f, 3);
    commit(2);
    check_told(f, "1 2 ;3 4 ;");
    end(f);
}

static void a_server_that_was_never_there(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    add(f, 1, 2, NULL);
    fail_with(0, HX_PG_UNAVAILABLE, false);
    assert_non_null(sender_error(f->sender));
    check_told(f, "");
    assert_int_equal(sent_count, 1);
    end(f);
}

static void time_runs_out(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    sender_connected(f->sender);
    struct batch *b = add(f, 1, 2, NULL);
    b->deadline_ms = hx_mono_ms();
    fail_with(0, HX_PG_UNAVAILABLE, true);
    assert_non_null(sender_error(f->sender));
    assert_true(sender_error(f->sender)->in_doubt);
    end(f);
}

static void another_try_has_no_more_time(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    struct batch *b = add(f, 1, 2, NULL);
    b->deadline_ms -= 1000;
    fail_with(0, HX_PG_RETRY, false);
    wait_until_sent(f, 2);
    assert_in_range(sent[1]->timeout_ms, 1, 4000);
    commit(1);
    check_told(f, "1 2 ;");
    end(f);
}

static void keys(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    struct hx_uuid other = hx_uuid_v7();
    struct batch *b = add(f, 1, 3, "k");
    assert_int_equal(sent[0]->keys, 3);
    assert_false(sent[0]->new_only);
    sent[0]->key_count = 3;
    sent[0]->key_ids[0] = b->jobs[0].id;
    sent[0]->key_ids[1] = b->jobs[0].id;
    sent[0]->key_ids[2] = other;
    commit_but(0, 1, 2);
    check_told(f, "1 2 3 ;");
    assert_true(f->last[0].created);
    assert_false(f->last[1].created);
    assert_true(hx_uuid_eq(&f->last[1].id, &f->last[0].id));
    assert_true(hx_uuid_eq(&f->last[2].id, &other));
    assert_int_equal(published, 1);
    end(f);
}

/* The job that had the key was deleted between the insert and the question: there is room for ours now. */
static void a_key_that_vanished(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    add(f, 1, 1, "k");
    commit_but(0, 0, 1);
    check_told(f, "");
    wait_until_sent(f, 2);
    commit(1);
    check_told(f, "1 ;");
    end(f);
}

/* Answers as a database would that won't have line 5: pieces with it fail, the others are committed. */
static void play_a_database_that_refuses(int line) {
    for (size_t i = 0; i < sent_count; i++) {
        if (!sent[i])
            continue;
        const struct batch *b = sent[i]->user;
        size_t first = (size_t)(sent[i]->jobs - b->jobs);
        bool bad = false;
        for (size_t k = first; k < first + sent[i]->n; k++)
            bad |= b->lines[k] == (uint64_t)line;
        if (bad)
            fail_with(i, HX_PG_DATA, false);
        else
            commit(i);
    }
}

static void a_refused_job_ends_it(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    add(f, 1, 8, NULL);
    play_a_database_that_refuses(5);
    check_told(f, "!5 1 2 3 4 ;");
    assert_null(sender_error(f->sender));
    size_t before = sent_count;
    add(f, 9, 10, NULL);
    assert_int_equal(sent_count, before);
    check_told(f, "!5 1 2 3 4 ;;");
    assert_int_equal(sender_pending(f->sender), 0);
    end(f);
}

static void a_refused_job_is_skipped(void **state) {
    (void)state;
    struct fixture *f = fixture(true);
    add(f, 1, 8, NULL);
    add(f, 9, 10, NULL);
    play_a_database_that_refuses(5);
    check_told(f, "!5 1 2 3 4 6 7 8 ;9 10 ;");
    end(f);
}

static void delivered_rows_go_with_the_next_batch(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    sender_connected(f->sender);
    int64_t rows[] = { 7, 8 };
    announcer_give_back(NULL, rows, 2);
    add(f, 1, 1, NULL);
    assert_int_equal(sent[0]->deleted, 2);
    fail_with(0, HX_PG_RETRY, false);
    assert_int_equal(delivered_count, 2); /* nothing was deleted */
    wait_until_sent(f, 2);
    assert_int_equal(sent[1]->deleted, 2);
    commit(1);
    assert_int_equal(delivered_count, 0);
    end(f);
}

static void a_batch_without_jobs(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    sender_add(f->sender, sender_take_spare(f->sender));
    add(f, 1, 1, NULL);
    commit(0);
    commit(1);
    check_told(f, ";1 ;");
    end(f);
}

/* One that only tidies up may fail; the stream goes on. */
static void a_batch_without_jobs_may_fail(void **state) {
    (void)state;
    struct fixture *f = fixture(false);
    sender_connected(f->sender);
    sender_add(f->sender, sender_take_spare(f->sender));
    fail_with(0, HX_PG_UNAVAILABLE, true);
    assert_null(sender_error(f->sender));
    assert_int_equal(sender_pending(f->sender), 0);
    add(f, 1, 1, NULL);
    commit(1);
    check_told(f, ";1 ;");
    end(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_in_order),
        cmocka_unit_test(what_is_delayed_is_not_announced),
        cmocka_unit_test(in_doubt_is_sent_again),
        cmocka_unit_test(deadlocks_are_tried_again),
        cmocka_unit_test(a_server_that_was_never_there),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(another_try_has_no_more_time),
        cmocka_unit_test(keys),
        cmocka_unit_test(a_key_that_vanished),
        cmocka_unit_test(a_refused_job_ends_it),
        cmocka_unit_test(a_refused_job_is_skipped),
        cmocka_unit_test(delivered_rows_go_with_the_next_batch),
        cmocka_unit_test(a_batch_without_jobs),
        cmocka_unit_test(a_batch_without_jobs_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
