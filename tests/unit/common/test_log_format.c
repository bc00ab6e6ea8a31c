/* The three forms of one line, to the letter; and which lines are told to be ours. */
#include "tests/unit/common/log_lines.h"

#include "common/log_event.h"
#include "common/log_internal.h"

#define NOW (INT64_C(1795246188123456)) /* 2026-11-21T07:29:48.123456Z */

static struct hx_log_ctx full(void) {
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.job_id = "j";
    ctx.job_type = "thumb\"nail";
    ctx.org_id = "o";
    ctx.attempt = 0;
    ctx.fence = 3;
    ctx.worker = "host/main/0";
    ctx.topic = "p.jobs";
    ctx.partition = 7;
    ctx.offset = INT64_C(9007199254740993);
    ctx.error_code = "SIGSEGV";
    ctx.trace_id = "t";
    ctx.event = "job.failed";
    return ctx;
}

static struct hx_log_line line_of(const struct hx_log_ctx *ctx, const char *message) {
    return (struct hx_log_line){
        .level = HX_LOG_INFO, .ctx = ctx, .service = "svc", .environment = "test", .message = message, .wall_us = NOW
    };
}

enum form { JSON, TEXT, JOURNAL };

static char *formatted(enum form form, const struct hx_log_line *line) {
    struct hx_buf out = { 0 };
    if (form == JSON)
        hx_log_format_json(&out, line);
    else if (form == TEXT)
        hx_log_format_text(&out, line, false);
    else
        hx_log_format_journal(&out, line);
    return hx_buf_take(&out);
}

static void check(enum form form, const struct hx_log_line *line, const char *expected) {
    _cleanup_free_ char *text = formatted(form, line);
    assert_string_equal(text, expected);
    if (form == JSON)
        is_one_object(text);
}

static void all_fields(void **state) {
    (void)state;
    struct hx_log_ctx ctx = full();
    struct hx_log_line line = line_of(&ctx, "it\nfailed");
    check(JSON, &line,
          "{\"ts\":\"2026-11-21T07:29:48.123456Z\",\"service\":\"svc\",\"env\":\"test\",\"level\":\"info\","
          "\"event\":\"job.failed\",\"message\":\"it\\nfailed\",\"job_id\":\"j\",\"job_type\":\"thumb\\\"nail\","
          "\"org_id\":\"o\",\"attempt\":0,\"fence\":3,\"worker\":\"host/main/0\",\"topic\":\"p.jobs\",\"partition\":7,"
          "\"offset\":9007199254740993,\"error_code\":\"SIGSEGV\",\"trace_id\":\"t\"}\n");
    check(TEXT, &line,
          "2026-11-21T07:29:48.123Z info    svc: it\\nfailed job_id=j job_type=thumb\"nail org_id=o attempt=0 fence=3 "
          "worker=host/main/0 topic=p.jobs partition=7 offset=9007199254740993 error_code=SIGSEGV trace_id=t\n");
    check(JOURNAL, &line,
          "MESSAGE=it\\nfailed\nPRIORITY=6\nSYSLOG_IDENTIFIER=svc\nHEIMDEX_EVENT=job.failed\nHEIMDEX_JOB_ID=j\n"
          "HEIMDEX_JOB_TYPE=thumb\"nail\nHEIMDEX_ORG_ID=o\nHEIMDEX_ATTEMPT=0\nHEIMDEX_FENCE=3\n"
          "HEIMDEX_WORKER=host/main/0\nHEIMDEX_TOPIC=p.jobs\nHEIMDEX_PARTITION=7\nHEIMDEX_OFFSET=9007199254740993\n"
          "HEIMDEX_ERROR_CODE=SIGSEGV\nHEIMDEX_TRACE_ID=t\n");
}

static void what_is_unset_is_left_out(void **state) {
    (void)state;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    struct hx_log_line line = line_of(&ctx, "x");
    ctx.detail_json = ctx.detail_text = "";
    check(JSON, &line,
          "{\"ts\":\"2026-11-21T07:29:48.123456Z\",\"service\":\"svc\",\"env\":\"test\",\"level\":\"info\","
          "\"event\":\"log\",\"message\":\"x\"}\n");
    check(TEXT, &line, "2026-11-21T07:29:48.123Z info    svc: x\n");
    check(JOURNAL, &line, "MESSAGE=x\nPRIORITY=6\nSYSLOG_IDENTIFIER=svc\nHEIMDEX_EVENT=log\n");
}

/* Machines get the whole of it, people the brief one. */
static void details(void **state) {
    (void)state;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    struct hx_log_line line = line_of(&ctx, "x");
    ctx.detail_json = "\"a\":[1,2],\n\t\"b\":\"c\"";
    ctx.detail_text = "a=1\nb=c";
    check(JSON, &line,
          "{\"ts\":\"2026-11-21T07:29:48.123456Z\",\"service\":\"svc\",\"env\":\"test\",\"level\":\"info\","
          "\"event\":\"log\",\"message\":\"x\",\"a\":[1,2],  \"b\":\"c\"}\n");
    check(TEXT, &line, "2026-11-21T07:29:48.123Z info    svc: x a=1\\nb=c\n");
    check(JOURNAL, &line,
          "MESSAGE=x\nPRIORITY=6\nSYSLOG_IDENTIFIER=svc\nHEIMDEX_EVENT=log\n"
          "HEIMDEX_DETAIL={\"a\":[1,2],  \"b\":\"c\"}\n");
}

static void an_event_of_the_catalog_has_its_id(void **state) {
    (void)state;
    struct hx_log_ctx ctx = *HX_EVENT("lease.lapsed");
    struct hx_log_line line = line_of(&ctx, "x");
    line.level = HX_LOG_WARNING;
    _cleanup_free_ char *expected =
        hx_printf("MESSAGE=x\nPRIORITY=4\nMESSAGE_ID=%s\nSYSLOG_IDENTIFIER=svc\nHEIMDEX_EVENT=lease.lapsed\n",
                  hx_log_event_find("lease.lapsed")->id);
    check(JOURNAL, &line, expected);
}

/* The message alone is in colour, so that a line that is cut leaves no terminal red. */
static void colours(void **state) {
    (void)state;
    static const char *const expected[] = {
        [HX_LOG_ERR] = "Z error   svc: \033[31mx\033[0m job_id=j\n",
        [HX_LOG_WARNING] = "Z warning svc: \033[33mx\033[0m job_id=j\n",
        [HX_LOG_NOTICE] = "Z notice  svc: x job_id=j\n",
        [HX_LOG_INFO] = "Z info    svc: x job_id=j\n",
        [HX_LOG_DEBUG] = "Z debug   svc: x job_id=j\n",
    };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.job_id = "j";
    for (size_t level = HX_LOG_ERR; level < HX_ARRAY_LEN(expected); level++) {
        struct hx_log_line line = line_of(&ctx, "x");
        _cleanup_buf_ struct hx_buf out = { 0 };
        if (!expected[level])
            continue;
        line.level = (enum hx_log_level)level;
        hx_log_format_text(&out, &line, true);
        assert_string_equal(strchr(out.data, 'Z'), expected[level]);
    }
}

static void escapes(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "", "" },
        { "as \"it\" \\ is, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
          "as \"it\" \\ is, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\n", "\\n" },
        { "a\r\n\tb", "a\\r\\n\\tb" },
        { "\x01\x1b[31m\x7f", "\\x01\\x1b[31m\\x7f" },
        { "\xc2\x80 \xc2\x9b \xc2\x9f \xc2\xa0", "\\x80 \\x9b \\x9f \xc2\xa0" }, /* C1: a terminal may obey them */
        { "\xff", "\xef\xbf\xbd" },
        { "a\xc3", "a\xef\xbf\xbd" },                               /* cut */
        { "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* cut */
        { "\xc3(\n", "\xef\xbf\xbd(\\n" },                          /* broken off */
        { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
        { "\xff\xe2\x82\xac\xf0\x9f\x98\x80\xc2\x9b\x1b", "\xef\xbf\xbd\xe2\x82\xac\xf0\x9f\x98\x80\\x9b\\x1b" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        _cleanup_buf_ struct hx_buf out = { 0 };
        hx_buf_puts(&out, "");
        hx_log_escape(&out, cases[i].text);
        assert_string_equal(out.data, cases[i].expected);
    }
}

static void hostile_text_stays_one_line(void **state) {
    (void)state;
    static const char hostile[] = "a\nPRIORITY=0\r\t\x1b[31m\x01 \"quoted\\\" \xff\xc3( \xc2\x9b \x7f \xe2\x82\xac\n\n";
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.worker = ctx.event = hostile;
    struct hx_log_line line = line_of(&ctx, hostile);
    line.service = line.environment = hostile;
    _cleanup_free_ char *json = formatted(JSON, &line), *text = formatted(TEXT, &line);
    _cleanup_free_ char *journal = formatted(JOURNAL, &line);
    is_one_object(json);
    assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
    assert_null(strpbrk(text, "\x1b\x01\x7f\r\t"));
    assert_true(hx_utf8_valid(text, strlen(text)));
    assert_null(strstr(journal, "\nPRIORITY=0"));
    assert_null(strstr(journal, "\n\n"));
}

/* As many bytes as are said: AddressSanitizer sees who reads on. */
static bool ours(const char *text, size_t n) {
    _cleanup_free_ char *copy = hx_alloc(HX_MAX(n, (size_t)1));
    memcpy(copy, text, n);
    return hx_log_wrote(copy, n);
}

/* What a dying child printed is a mix of its log and of what its libraries and its sanitizer wrote; a line may be torn. */
static void knows_its_own_lines(void **state) {
    (void)state;
    static const enum hx_log_level levels[] = { HX_LOG_ERR, HX_LOG_WARNING, HX_LOG_NOTICE, HX_LOG_INFO, HX_LOG_DEBUG };
    static const size_t names[] = { 5, 7, 6, 4, 5 };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    for (size_t i = 0; i < HX_ARRAY_LEN(levels); i++) {
        struct hx_log_line line = line_of(&ctx, "x");
        line.level = levels[i];
        _cleanup_free_ char *json = formatted(JSON, &line), *text = formatted(TEXT, &line);
        for (size_t n = 0; n <= strlen(json); n++)
            assert_int_equal(ours(json, n), n >= strlen("{\"ts\":\"2026-11-21T07:29:48.123"));
        for (size_t n = 0; n <= strlen(text); n++)
            assert_int_equal(ours(text, n), n >= strlen("2026-11-21T07:29:48.123Z ") + names[i]);
    }
    static const char *const others[] = {
        "free(): invalid pointer",
        "==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
        "{\"ts\":\"yesterday\",\"service\":\"x\"}",
        "{\"result\":1}",
        "2026-11-21T11:01:26.648Z",
        "2026-11-21T11:01:26.648Z fine    x: y",
        "2026-11-21T11:01:26.648Z inform  x: y",
        "2026-11-21 11:01:26.648Z info    x: y",
        "2026-11-2xT11:01:26.648Z info    x: y",
        "heimdex-worker: --slot: x: not a valid value",
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++)
        assert_false(ours(others[i], strlen(others[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields),
        cmocka_unit_test(what_is_unset_is_left_out),
        cmocka_unit_test(details),
        cmocka_unit_test(an_event_of_the_catalog_has_its_id),
        cmocka_unit_test(colours),
        cmocka_unit_test(escapes),
        cmocka_unit_test(hostile_text_stays_one_line),
        cmocka_unit_test(knows_its_own_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
