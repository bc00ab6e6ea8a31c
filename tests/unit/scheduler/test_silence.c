#include "scheduler/silence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void who_sends_nothing_hears_no_silence(void **state) {
    (void)state;
    struct silence s = { 0 };
    assert_false(silence_now(&s, 1000000));
}

static void records_without_a_report_for_three_seconds_are_silence(void **state) {
    (void)state;
    struct silence s = { 0 };
    silence_sent(&s, 1000);
    assert_false(silence_now(&s, 4000));
    assert_true(silence_now(&s, 4001));
    silence_sent(&s, 5000); /* a later one doesn't start the wait again */
    assert_true(silence_now(&s, 5001));
    silence_report(&s, true, 6000);
    assert_false(silence_now(&s, 6001)); /* one is still pending, but Kafka speaks */
    assert_true(silence_now(&s, 9001));
    silence_report(&s, true, 9002);
    assert_false(silence_now(&s, 90000));
}

static void a_bad_report_is_silence_until_the_next_good_one(void **state) {
    (void)state;
    struct silence s = { 0 };
    silence_sent(&s, 1000);
    silence_report(&s, false, 2000);
    assert_true(silence_now(&s, 2001));
    assert_true(silence_now(&s, 61999));
    silence_sent(&s, 3000);
    silence_report(&s, true, 3001);
    assert_false(silence_now(&s, 3002));
}

static void old_bad_news_is_no_news(void **state) {
    (void)state;
    struct silence s = { 0 };
    silence_sent(&s, 1000);
    silence_report(&s, false, 2000);
    assert_false(silence_now(&s, 62000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_sends_nothing_hears_no_silence),
        cmocka_unit_test(records_without_a_report_for_three_seconds_are_silence),
        cmocka_unit_test(a_bad_report_is_silence_until_the_next_good_one),
        cmocka_unit_test(old_bad_news_is_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
