/* Entries that wait for a journal, with one that takes as many as the test says, and a clock that only a sleep moves. */
#include "common/log_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- the journal and the clock ---- */

static size_t room;        /* how many it takes */
static int then;           /* what it answers after those */
static const char *refuse; /* the entry that is too long for it */
static struct hx_buf sent; /* "a b c", but of long entries */
static size_t sent_count;
static int64_t now_ms, room_each_ms; /* a reader: room for one every so many ms; 0: there is none */
static uint64_t dropped;

int hx_log_journal_send(const char *entry, size_t len) {
    if (refuse && strlen(refuse) == len && memcmp(entry, refuse, len) == 0)
        return -EMSGSIZE;
    if (!room)
        return then;
    room--;
    sent_count++;
    if (len < 10)
        hx_buf_printf(&sent, "%s%.*s", sent.len ? " " : "", (int)len, entry);
    return 0;
}

void hx_log_count_dropped(uint64_t lines) {
    dropped += lines;
}

int clock_gettime(clockid_t id, struct timespec *t) {
    (void)id;
    *t = (struct timespec){ .tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000 };
    return 0;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    (void)left;
    int64_t before = now_ms;
    now_ms += wanted->tv_sec * 1000 + wanted->tv_nsec / 1000000;
    if (room_each_ms)
        room += (size_t)(now_ms / room_each_ms - before / room_each_ms);
    return 0;
}

/* ---- tests ---- */

static int begin(void **state) {
    (void)state;
    room = SIZE_MAX;
    then = -EAGAIN;
    refuse = NULL;
    room_each_ms = 0;
    while (hx_log_queue_flush() >= 0) /* nothing waits for the next one's */
        ;
    hx_buf_clear(&sent);
    hx_buf_puts(&sent, "");
    sent_count = 0;
    dropped = 0;
    now_ms = 1000;
    return 0;
}

static int end(void **state) {
    begin(state);
    hx_buf_reset(&sent);
    return 0;
}

static int put(const char *entry) {
    return hx_log_queue_put(entry, strlen(entry), false);
}

/* So many entries, which the journal does not take. */
static void let_wait(size_t n) {
    room = 0;
    then = -EAGAIN;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(put("x"), 1);
}

static void a_journal_that_has_room_gets_it_at_once(void **state) {
    (void)state;
    assert_int_equal(put("a"), 0);
    assert_int_equal(put("b"), 0);
    assert_string_equal(sent.data, "a b");
    assert_false(hx_log_queue_waits());
    assert_int_equal(hx_log_queue_flush(), -1);
}

static void nobody_overtakes_those_that_wait(void **state) {
    (void)state;
    room = 0;
    assert_int_equal(put("a"), 1);
    assert_int_equal(put("b"), 1);
    room = 1;
    assert_int_equal(put("c"), 1);
    assert_string_equal(sent.data, "a");
    room = SIZE_MAX;
    assert_int_equal(put("d"), 0);
    assert_string_equal(sent.data, "a b c d");
    assert_false(hx_log_queue_waits());
}

/* The line is better printed than kept for a journal that may never come; what waits already stays. */
static void where_there_is_no_journal(void **state) {
    (void)state;
    room = 0;
    then = -ENOENT;
    assert_int_equal(put("a"), -ENOENT);
    assert_false(hx_log_queue_waits());
    then = -EAGAIN;
    assert_int_equal(put("b"), 1);
    then = -ECONNREFUSED;
    assert_int_equal(put("c"), -ECONNREFUSED);
    assert_true(hx_log_queue_flush() > 0);
    room = SIZE_MAX;
    assert_int_equal(hx_log_queue_flush(), -1);
    assert_string_equal(sent.data, "b");
    assert_int_equal(dropped, 0);
}

static void an_entry_that_cannot_be_sent_stops_none_behind_it(void **state) {
    (void)state;
    room = 0;
    assert_int_equal(put("a"), 1);
    assert_int_equal(put("huge"), 1);
    assert_int_equal(put("b"), 1);
    room = SIZE_MAX;
    refuse = "huge";
    assert_int_equal(hx_log_queue_flush(), -1);
    assert_string_equal(sent.data, "a b");
    assert_int_equal(dropped, 1);
}

/* Whoever flushes has other things to do: a flush sends so many and asks for another one at once. */
static void a_flush_sends_some(void **state) {
    (void)state;
    let_wait(600);
    room = SIZE_MAX;
    assert_int_equal(hx_log_queue_flush(), 0);
    assert_int_equal(sent_count, 256);
    assert_int_equal(put("y"), 1); /* sends some, too */
    assert_int_equal(sent_count, 512);
    assert_int_equal(hx_log_queue_flush(), -1);
    assert_int_equal(sent_count, 601);
}

static void pauses_grow_until_something_goes(void **state) {
    (void)state;
    static const int pauses[] = { 2, 4, 8, 16, 32, 64, 100, 100 };
    let_wait(2);
    for (size_t i = 0; i < HX_ARRAY_LEN(pauses); i++)
        assert_int_equal(hx_log_queue_flush(), pauses[i]);
    room = 1;
    assert_int_equal(hx_log_queue_flush(), 2);
}

/* Output of programs leaves a mebibyte to what we have to say ourselves; and neither grows for ever. */
static void bounds(void **state) {
    (void)state;
    enum { BIG = 65000, OF_OUTPUT = 4 * 1024 * 1024 / BIG, OF_ALL = 5 * 1024 * 1024 / BIG };
    _cleanup_free_ char *big = hx_alloc(BIG);
    room = 0;
    for (size_t i = 0; i < OF_OUTPUT; i++)
        assert_int_equal(hx_log_queue_put(big, BIG, true), 1);
    assert_int_equal(hx_log_queue_put(big, BIG, true), -EAGAIN);
    for (size_t i = OF_OUTPUT; i < OF_ALL; i++)
        assert_int_equal(hx_log_queue_put(big, BIG, false), 1);
    assert_int_equal(hx_log_queue_put(big, BIG, false), -EAGAIN);
    assert_int_equal(dropped, 0); /* the caller counts */
    room = 1;
    assert_int_equal(hx_log_queue_put(big, BIG, false), 1); /* in the place of the one that went */
    assert_int_equal(hx_log_queue_put(big, BIG, false), -EAGAIN);
    room = SIZE_MAX;
    assert_int_equal(hx_log_queue_flush(), -1);
    assert_int_equal(sent_count, OF_ALL + 1);
    room = 0;
    assert_int_equal(hx_log_queue_put(big, BIG, true), 1); /* all of the room is back */
}

/* ---- the end of the program ---- */

static void the_end_waits_for_a_slow_reader(void **state) {
    (void)state;
    let_wait(50);
    room_each_ms = 90;
    hx_log_queue_end(10000, 100);
    assert_int_equal(sent_count, 50);
    assert_int_equal(dropped, 0);
    assert_in_range(now_ms, 1000 + 49 * 90, 1000 + 50 * 90 + 2);
}

static void but_not_for_ever(void **state) {
    (void)state;
    let_wait(50);
    room_each_ms = 90;
    hx_log_queue_end(1000, 100);
    assert_int_equal(dropped, 50 - sent_count);
    assert_in_range(sent_count, 10, 12);
    assert_in_range(now_ms, 2000, 2002);
    assert_false(hx_log_queue_waits());
}

static void nor_long_for_one_that_stands_still(void **state) {
    (void)state;
    let_wait(50);
    room = 7;
    hx_log_queue_end(10000, 100);
    assert_int_equal(sent_count, 7);
    assert_int_equal(dropped, 43);
    assert_in_range(now_ms, 1100, 1104);
    assert_false(hx_log_queue_waits());
}

static void nor_at_all_where_there_is_none(void **state) {
    (void)state;
    let_wait(50);
    then = -ECONNREFUSED;
    hx_log_queue_end(10000, 10000);
    assert_int_equal(dropped, 50);
    assert_int_equal(now_ms, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_journal_that_has_room_gets_it_at_once),
        TEST(nobody_overtakes_those_that_wait),
        TEST(where_there_is_no_journal),
        TEST(an_entry_that_cannot_be_sent_stops_none_behind_it),
        TEST(a_flush_sends_some),
        TEST(pauses_grow_until_something_goes),
        TEST(bounds),
        TEST(the_end_waits_for_a_slow_reader),
        TEST(but_not_for_ever),
        TEST(nor_long_for_one_that_stands_still),
        TEST(nor_at_all_where_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
