#include "worker/backlog.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct handler table[] = {
    { .type = "a", .kind = HANDLER_EXEC, .index = 0 },
    { .type = "b", .kind = HANDLER_EXEC, .index = 1 },
    { .type = "mock_process", .kind = HANDLER_MOCK, .index = 2 },
};
static struct handlers handlers = { .v = table, .n = 3 };
enum { A, B, MOCK };

static struct candidate make(int handler, bool high, int number) {
    struct candidate c = { .handler = &table[handler], .high = high };
    memcpy(c.id.b, &number, sizeof number);
    return c;
}

static int number_of(const struct candidate *c) {
    int number;
    memcpy(&number, c->id.b, sizeof number);
    return number;
}

static void fill(struct backlog *b, int handler, bool high, int from, int n) {
    for (int i = 0; i < n; i++) {
        struct candidate c = make(handler, high, from + i);
        backlog_add(b, &c);
    }
}

static struct batch pick(struct backlog *b, size_t builtin, size_t slots) {
    static struct candidate v[4096];
    struct batch batch = { .v = v };
    backlog_pick(b, builtin, slots, &batch);
    return batch;
}

static size_t count(const struct batch *batch, int handler, bool high) {
    size_t n = 0;
    for (size_t i = 0; i < batch->n; i++)
        n += batch->v[i].handler == &table[handler] && batch->v[i].high == high;
    return n;
}

static void first_in_first_out(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, MOCK, false, 0, 300);
    struct batch batch = pick(b, 100, 0);
    assert_int_equal(batch.n, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(number_of(&batch.v[i]), i);
    assert_int_equal(backlog_builtin(b), 200);
    backlog_free(b);
}

static void rooms_are_kept_apart(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, MOCK, false, 0, 50);
    fill(b, A, false, 0, 50);
    struct batch batch = pick(b, 7, 3);
    assert_int_equal(count(&batch, MOCK, false), 7);
    assert_int_equal(count(&batch, A, false), 3);
    assert_int_equal(pick(b, 0, 0).n, 0);
    backlog_free(b);
}

static void high_band_first_but_a_tenth_is_the_low_bands(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, MOCK, false, 0, 1000);
    fill(b, MOCK, true, 0, 1000);
    struct batch batch = pick(b, 100, 0);
    assert_int_equal(batch.n, 100);
    assert_int_equal(count(&batch, MOCK, true), 90);
    assert_int_equal(count(&batch, MOCK, false), 10);
    backlog_free(b);
}

static void one_slot_is_the_high_bands(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, A, false, 0, 5);
    fill(b, A, true, 0, 5);
    struct batch batch = pick(b, 0, 1);
    assert_int_equal(batch.n, 1);
    assert_true(batch.v[0].high);
    backlog_free(b);
}

static void room_that_one_band_leaves_is_the_others(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, MOCK, true, 0, 1000);
    assert_int_equal(pick(b, 100, 0).n, 100);
    backlog_clear(b);
    fill(b, MOCK, false, 0, 1000);
    assert_int_equal(pick(b, 100, 0).n, 100);
    backlog_free(b);
}

static void handlers_share_the_slots(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, A, false, 0, 100);
    fill(b, B, false, 0, 3);
    struct batch batch = pick(b, 0, 12);
    assert_int_equal(batch.n, 12);
    assert_int_equal(count(&batch, B, false), 3);
    backlog_free(b);
}

static void what_comes_back_is_first_again(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    fill(b, MOCK, false, 0, 200);
    struct batch batch = pick(b, 50, 0);
    struct candidate kept[50];
    memcpy(kept, batch.v, sizeof kept);
    backlog_return(b, kept, 50);
    assert_int_equal(backlog_builtin(b), 200);
    batch = pick(b, 200, 0);
    assert_int_equal(batch.n, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(number_of(&batch.v[i]), i);
    backlog_free(b);
}

static void returning_to_an_empty_line(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    struct candidate c[2] = { make(B, true, 1), make(B, true, 2) };
    backlog_return(b, c, 2);
    assert_int_equal(backlog_slotted(b), 2);
    struct batch batch = pick(b, 0, 5);
    assert_int_equal(batch.n, 2);
    assert_int_equal(number_of(&batch.v[0]), 1);
    backlog_clear(b);
    assert_int_equal(backlog_slotted(b), 0);
    backlog_free(b);
}

static void late_ones_come_out(void **state) {
    (void)state;
    struct backlog *b = backlog_new(&handlers);
    for (int i = 0; i < 6; i++) {
        struct candidate c = make(i % 2 ? A : B, i > 3, i);
        c.since_boot_ms = i < 2 || i == 5 ? 1000 : 2000;
        backlog_add(b, &c);
    }
    fill(b, MOCK, false, 10, 3);
    struct candidate *late;
    assert_int_equal(backlog_late(b, false, 1500, &late), 3);
    bool seen[6] = { 0 };
    for (int i = 0; i < 3; i++)
        seen[number_of(&late[i])] = true;
    assert_true(seen[0] && seen[1] && seen[5]);
    free(late);
    assert_int_equal(backlog_slotted(b), 3);
    assert_int_equal(backlog_builtin(b), 3);
    struct batch batch = pick(b, 0, 6);
    assert_int_equal(batch.n, 3);
    assert_int_equal(backlog_late(b, true, 1500, &late), 0);
    free(late);
    backlog_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(rooms_are_kept_apart),
        cmocka_unit_test(high_band_first_but_a_tenth_is_the_low_bands),
        cmocka_unit_test(one_slot_is_the_high_bands),
        cmocka_unit_test(room_that_one_band_leaves_is_the_others),
        cmocka_unit_test(handlers_share_the_slots),
        cmocka_unit_test(what_comes_back_is_first_again),
        cmocka_unit_test(returning_to_an_empty_line),
        cmocka_unit_test(late_ones_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
