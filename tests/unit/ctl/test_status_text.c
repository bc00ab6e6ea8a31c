/* What `status` shows to people, to the letter. */
#include "ctl/status.h"

#include "ctl/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW (INT64_C(1795246188) * 1000000) /* 2026-11-21T07:29:48Z */

static void add(json_t *document, const char *list, const char *row) {
    json_t *parsed = row_parse(row);
    assert_non_null(parsed);
    json_array_append_new(json_object_get(document, list), parsed);
}

/* Of a host, with so many jobs, seen at that second of 07:29. */
static void add_worker(json_t *document, const char *host, bool alive, bool dead, int jobs, int second) {
    _cleanup_free_ char *row =
        hx_printf("{\"hostname\":\"%s\",\"instance\":\"main\",\"alive\":%s,\"dead\":%s,\"jobs\":%d,"
                  "\"types\":[\"known\"],\"renewed_at\":\"2026-11-21T07:29:%02dZ\"}",
                  host, alive ? "true" : "false", dead ? "true" : "false", jobs, second);
    add(document, "workers", row);
}

/* What stands before the part of stuck.c. */
static void check(json_t *document, const char *expected) {
    _cleanup_json_ json_t *d = document;
    struct hx_buf out = { 0 };
    status_render(d, NOW, false, &out);
    _cleanup_free_ char *text = hx_buf_take(&out);
    char *end = strstr(text, "\nNothing is stuck\n");
    if (!end)
        end = strstr(text, "\nNeeds attention\n");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(text, expected);
}

static void nothing_at_all(void **s) {
    (void)s;
    json_t *d = status_new();
    check(d, "Fleet\n  no workers\n\nJobs\n  none\n");
}

/* A line a host: of its workers that live, and of those that should. What is dead is history. */
static void workers_of_a_host_are_one_line(void **s) {
    (void)s;
    json_t *d = status_new();
    add_worker(d, "alpha", true, false, 2, 40);
    add_worker(d, "beta", false, false, 1, 1);
    add_worker(d, "alpha", true, false, 3, 45);
    add_worker(d, "alpha", false, false, 0, 12);
    add_worker(d, "alpha", false, true, 50, 47);
    add_worker(d, "gamma", false, true, 50, 47);
    check(d, "Fleet\n"
             "  HOST/INSTANCE  ALIVE  SILENT  RUNNING  LAST SEEN\n"
             "  alpha/main         2       1        5  2026-11-21T07:29:45Z (3s ago)\n"
             "  beta/main          0       1        1  2026-11-21T07:29:01Z (47s ago)\n"
             "\nJobs\n  none\n");
}

static void types_that_never_had_a_job_are_left_out(void **s) {
    (void)s;
    json_t *d = status_new();
    add_worker(d, "alpha", true, false, 0, 48);
    status_type(d, "idle");
    json_object_set_new(status_type(d, "held"), "paused", json_true());
    status_count(d, "known", "succeeded", 7);
    status_count(d, "known", "queued", 12);
    status_count(d, "orphan", "failed", 1);
    status_count(d, "past", "dead_letter", 2); /* none of it will run: nobody has to have its handler */
    json_object_set_new(status_type(d, "known"), "queue", json_string("media"));
    status_handled(d);
    check(d, "Fleet\n"
             "  HOST/INSTANCE  ALIVE  SILENT  RUNNING  LAST SEEN\n"
             "  alpha/main         1       0        0  2026-11-21T07:29:48Z (now)\n"
             "\nJobs\n"
             "  TYPE    QUEUE    QUEUED  RUNNING  SUCCEEDED  FAILED  CANCELED  DEAD_LETTER  NOTE\n"
             "  held    default       0        0          0       0         0            0  paused\n"
             "  known   media        12        0          7       0         0            0\n"
             "  orphan  default       0        0          0       1         0            0  no worker here has a "
             "handler for it\n"
             "  past    default       0        0          0       0         0            2\n"
             "  all                  12        0          7       1         0            2\n");
}

static void what_waits_says_why(void **s) {
    (void)s;
    json_t *d = status_new();
    add_worker(d, "alpha", true, false, 0, 48);
    add(d, "waiting",
        "{\"type\":\"known\",\"queue\":\"media\",\"reason\":\"retry\",\"count\":3,"
        "\"oldest_due\":\"2026-11-21T07:30:48Z\",\"paused\":false,\"handled\":true}");
    add(d, "waiting",
        "{\"type\":\"known\\u001b[2J\",\"queue\":\"default\",\"reason\":\"retry\",\"count\":10,"
        "\"oldest_due\":\"2026-11-21T07:26:48Z\",\"paused\":true,\"handled\":true}");
    check(d,
          "Fleet\n"
          "  HOST/INSTANCE  ALIVE  SILENT  RUNNING  LAST SEEN\n"
          "  alpha/main         1       0        0  2026-11-21T07:29:48Z (now)\n"
          "\nJobs\n  none\n"
          "\nWaiting\n"
          "  TYPE          QUEUE    REASON  JOBS  OLDEST DUE                     WHY\n"
          "  known         media    retry      3  2026-11-21T07:30:48Z (in 1m)   failed, and is tried again when due\n"
          "  known\\x1b[2J  default  retry     10  2026-11-21T07:26:48Z (3m ago)  the type is paused\n");
}

/* Each finding is stuck.c's; here is where it stands. */
static void what_is_stuck_comes_last(void **s) {
    (void)s;
    _cleanup_json_ json_t *d = status_new();
    _cleanup_buf_ struct hx_buf well = { 0 }, out = { 0 }, stuck = { 0 };
    add_worker(d, "alpha", true, false, 0, 48);
    status_render(d, NOW, false, &well);
    assert_string_equal(strstr(well.data, "  none\n"), "  none\n\nNothing is stuck\n");
    json_object_set_new(d, "stuck", row_parse("{\"quarantine\":2}"));
    stuck_render(d, false, &stuck);
    status_render(d, NOW, false, &out);
    const char *end = strstr(out.data, "\n\nNeeds attention\n");
    assert_non_null(end);
    assert_string_equal(end + strlen("\n\nNeeds attention\n"), stuck.data);
}

static void colours_are_for_terminals(void **s) {
    (void)s;
    _cleanup_json_ json_t *d = status_new();
    _cleanup_buf_ struct hx_buf colored = { 0 }, plain = { 0 };
    add_worker(d, "alpha", false, false, 0, 48);
    status_count(d, "known", "failed", 7);
    status_render(d, NOW, true, &colored);
    status_render(d, NOW, false, &plain);
    assert_non_null(strchr(colored.data, '\033'));
    assert_null(strchr(plain.data, '\033'));
}

static void each_reason_has_its_words(void **s) {
    (void)s;
    static const char *const reasons[] = { "delayed", "snoozed", "retry",      "released", "redriven",
                                           "paused",  "limited", "no_handler", "busy",     "migrated",
                                           "sql",     "clock",   "swept" };
    for (size_t i = 0; i < HX_ARRAY_LEN(reasons); i++) {
        const char *words = waiting_words(reasons[i], false, true);
        assert_string_not_equal(words, "");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(words, waiting_words(reasons[k], false, true));
        assert_string_equal(waiting_words(reasons[i], true, false), "the type is paused");
        assert_string_equal(waiting_words(reasons[i], false, false), "no worker here has a handler for it");
    }
    assert_string_equal(waiting_words("unheard of", false, true), "");
    assert_string_equal(waiting_words(NULL, false, true), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(workers_of_a_host_are_one_line),
        cmocka_unit_test(types_that_never_had_a_job_are_left_out),
        cmocka_unit_test(what_waits_says_why),
        cmocka_unit_test(what_is_stuck_comes_last),
        cmocka_unit_test(colours_are_for_terminals),
        cmocka_unit_test(each_reason_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
