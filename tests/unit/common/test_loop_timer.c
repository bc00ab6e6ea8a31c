#include "common/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/loop_internal.h"
#include "common/text.h"
#include "common/uuid.h"

#include <string.h>

enum { DEADLINE_MS = 10000, MANY = 1000 };

struct fixture {
    struct hx_loop *loop;
    struct hx_timer *timers[4];
    char fired[64]; /* names in order */
    int64_t last_due_ns;
    int count;
};

struct named {
    struct fixture *f;
    char name;
};

static int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    *state = f;
    return hx_loop_new(&f->loop);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    hx_loop_free(f->loop);
    free(f);
    return 0;
}

static void fire(void *user) {
    struct named *n = user;
    n->f->fired[strlen(n->f->fired)] = n->name;
}

static void until_fired(struct fixture *f, size_t n) {
    int64_t end = hx_mono_ms() + DEADLINE_MS;
    while (strlen(f->fired) < n && hx_mono_ms() < end)
        assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(strlen(f->fired), n);
}

static void fire_in_order_of_time(void **state) {
    struct fixture *f = *state;
    struct named a = { f, 'a' }, b = { f, 'b' }, c = { f, 'c' };
    struct hx_timer *ta = hx_timer_new(f->loop, fire, &a), *tb = hx_timer_new(f->loop, fire, &b),
                    *tc = hx_timer_new(f->loop, fire, &c);
    assert_false(hx_timer_armed(ta));
    int64_t before = hx_mono_ns();
    hx_timer_set(ta, 30);
    hx_timer_set(tb, 10);
    hx_timer_set(tc, 20);
    assert_true(hx_timer_armed(ta));
    assert_true(ta->due_ns >= before + 30 * 1000000);
    /* "bca", unless this machine stood still between two of the calls: by when they are due, then. */
    char expected[] = "bca";
    if (tc->due_ns > ta->due_ns)
        hx_strcopy(expected, sizeof(expected), tb->due_ns > ta->due_ns ? "abc" : "bac");
    until_fired(f, 3);
    assert_string_equal(f->fired, expected);
    assert_true(hx_mono_ns() >= ta->due_ns);
    assert_false(hx_timer_armed(ta));
    hx_loop_once(f->loop, 0);
    assert_int_equal(strlen(f->fired), 3);
}

static void clear_set_again_and_free(void **state) {
    struct fixture *f = *state;
    struct named a = { f, 'a' }, b = { f, 'b' }, c = { f, 'c' };
    struct hx_timer *ta = hx_timer_new(f->loop, fire, &a), *tb = hx_timer_new(f->loop, fire, &b),
                    *tc = hx_timer_new(f->loop, fire, &c);
    hx_timer_set(ta, INT64_MAX);
    hx_timer_set(tb, 1);
    hx_timer_set(tc, 2);
    hx_timer_clear(tb);
    hx_timer_clear(tb);
    assert_null(hx_timer_free(tc));
    assert_null(hx_timer_free(NULL));
    hx_timer_set(ta, 5); /* earlier than before */
    until_fired(f, 1);
    assert_string_equal(f->fired, "a");
    hx_timer_set(ta, -7);
    until_fired(f, 2);
    assert_string_equal(f->fired, "aa");
}

static void set_again(void *user) {
    struct fixture *f = user;
    f->count++;
    hx_timer_set(f->timers[0], 0);
}

/* A timer that sets itself to 0 must not keep the loop from ever doing anything else. */
static void zero_is_the_next_round(void **state) {
    struct fixture *f = *state;
    f->timers[0] = hx_timer_new(f->loop, set_again, f);
    hx_timer_set(f->timers[0], 0);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
        assert_int_equal(f->count, i);
    }
}

static void free_all(void *user) {
    struct fixture *f = user;
    f->count++;
    for (int i = 0; i < 4; i++)
        f->timers[i] = hx_timer_free(f->timers[i]);
}

static void a_callback_frees_itself_and_others(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        f->timers[i] = hx_timer_new(f->loop, free_all, f);
        hx_timer_set(f->timers[i], 0);
    }
    hx_loop_once(f->loop, DEADLINE_MS);
    hx_loop_once(f->loop, 0);
    assert_int_equal(f->count, 1);
}

static void free_loop(void *user) {
    struct fixture *f = user;
    f->count++;
    f->loop = hx_loop_free(f->loop);
}

static void a_callback_frees_the_loop(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++)
        hx_timer_set(hx_timer_new(f->loop, free_loop, f), 0);
    assert_int_equal(hx_loop_run(f->loop), 0);
    assert_int_equal(f->count, 1);
}

struct tick {
    struct fixture *f;
    struct hx_timer *timer;
};

static void check_order(void *user) {
    struct tick *t = user;
    assert_true(t->timer->due_ns >= t->f->last_due_ns);
    assert_true(hx_mono_ns() >= t->timer->due_ns);
    t->f->last_due_ns = t->timer->due_ns;
    t->f->count++;
}

/* Many timers, set, moved and cleared at random, fire in order, none early, none twice, none lost. */
static void many_at_random(void **state) {
    struct fixture *f = *state;
    _cleanup_free_ struct tick *ticks = hx_allocn(MANY, sizeof(*ticks));
    int expected = MANY;
    for (int i = 0; i < MANY; i++) {
        ticks[i].f = f;
        ticks[i].timer = hx_timer_new(f->loop, check_order, &ticks[i]);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            hx_timer_set(ticks[i].timer, (int64_t)(hx_random_u64() % 50));
    }
    for (int i = 0; i < MANY; i += 7, expected--)
        hx_timer_clear(ticks[i].timer);
    int64_t end = hx_mono_ms() + DEADLINE_MS;
    while (f->count < expected && hx_mono_ms() < end)
        hx_loop_once(f->loop, DEADLINE_MS);
    hx_loop_once(f->loop, 0);
    assert_int_equal(f->count, expected);
    for (int i = 0; i < MANY; i++)
        assert_false(hx_timer_armed(ticks[i].timer));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(fire_in_order_of_time),     TEST(clear_set_again_and_free),
        TEST(zero_is_the_next_round),    TEST(a_callback_frees_itself_and_others),
        TEST(a_callback_frees_the_loop), TEST(many_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
