#include "producer/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#include <string.h>

static struct batch *filled(size_t n) {
    struct batch *b = batch_new();
    for (size_t i = 0; i < n; i++) {
        *batch_next(b) = (struct hx_new_job){ .type = "t" };
        batch_accept(b, 10 * (i + 1));
    }
    batch_begin(b);
    return b;
}

static void ids_ascend(void **state) {
    (void)state;
    struct batch *b = filled(BATCH_JOBS);
    assert_true(batch_is_full(b));
    for (size_t i = 1; i < b->n; i++)
        assert_true(hx_uuid_cmp(&b->jobs[i - 1].id, &b->jobs[i].id) < 0);
    assert_int_equal(b->lines[2], 30);
    assert_true(hx_uuid_eq(&b->answers[7].id, &b->jobs[7].id));
    batch_free(b);
}

static void bytes_fill_it_too(void **state) {
    (void)state;
    struct batch *b = filled(1);
    assert_false(batch_is_full(b));
    arena_take(&b->arena, BATCH_BYTES);
    assert_true(batch_is_full(b));
    batch_clear(b);
    assert_false(batch_is_full(b));
    assert_int_equal(b->n, 0);
    batch_free(b);
}

static void cleared_it_was_never_sent(void **state) {
    (void)state;
    struct batch *b = filled(2);
    b->sent = true;
    b->deadline_ms = b->failures = 1;
    batch_clear(b);
    assert_false(b->sent);
    assert_true(b->deadline_ms == 0 && b->failures == 0 && !batch_piece(b));
    batch_free(b);
}

/* A batch whose job 617 is bad: what is sent, in order, and how often. */
static void halving_finds_the_culprit(void **state) {
    (void)state;
    enum { BAD = 617 };
    struct batch *b = filled(BATCH_JOBS);
    size_t done = 0, attempts = 0;
    bool found = false;
    for (const struct piece *p; (p = batch_piece(b)); attempts++) {
        assert_int_equal(p->from, done); /* in order, without gaps */
        if (p->from > BAD || p->to <= BAD) {
            done = p->to;
            batch_piece_done(b);
        } else if (p->to - p->from == 1) {
            found = true;
            done = p->to;
            batch_piece_done(b);
        } else {
            batch_halve(b);
        }
    }
    assert_true(found);
    assert_int_equal(done, BATCH_JOBS);
    assert_true(attempts < 24);
    batch_free(b);
}

static void every_job_bad(void **state) {
    (void)state;
    struct batch *b = filled(BATCH_JOBS);
    size_t done = 0;
    for (const struct piece *p; (p = batch_piece(b));) {
        if (p->to - p->from == 1) {
            assert_int_equal(p->from, done++);
            batch_piece_done(b);
        } else {
            batch_halve(b);
        }
    }
    assert_int_equal(done, BATCH_JOBS);
    batch_free(b);
}

static void cutting(void **state) {
    (void)state;
    struct batch *b = filled(8);
    batch_halve(b);
    batch_piece_done(b); /* the first four are durable */
    batch_cut(b);
    assert_int_equal(b->n, 4);
    assert_null(batch_piece(b));
    batch_cut(b);
    assert_int_equal(b->n, 4);
    batch_free(b);
}

static void an_empty_batch_has_one_piece(void **state) {
    (void)state;
    struct batch *b = filled(0);
    const struct piece *p = batch_piece(b);
    assert_non_null(p);
    assert_int_equal(p->to - p->from, 0);
    batch_piece_done(b);
    assert_null(batch_piece(b));
    batch_free(b);
}

static void finding(void **state) {
    (void)state;
    struct batch *b = filled(100);
    struct piece p = { 10, 90 };
    size_t hint = p.from;
    for (size_t i = 10; i < 90; i++)
        assert_int_equal(batch_find(b, &p, &b->jobs[i].id, &hint), i);
    for (size_t i = 90; i-- > 10;)
        assert_int_equal(batch_find(b, &p, &b->jobs[i].id, &hint), i);
    assert_true(batch_find(b, &p, &b->jobs[9].id, &hint) == SIZE_MAX);
    assert_true(batch_find(b, &p, &b->jobs[90].id, &hint) == SIZE_MAX);
    batch_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_ascend),
        cmocka_unit_test(bytes_fill_it_too),
        cmocka_unit_test(cleared_it_was_never_sent),
        cmocka_unit_test(halving_finds_the_culprit),
        cmocka_unit_test(every_job_bad),
        cmocka_unit_test(cutting),
        cmocka_unit_test(an_empty_batch_has_one_piece),
        cmocka_unit_test(finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
