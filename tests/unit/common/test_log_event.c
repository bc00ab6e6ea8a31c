/* The events of the log, and the two files that explain them. Tests run in the source tree. */
#include "common/log_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define CATALOG "systemd/heimdex.catalog"
#define DOCUMENT "docs/journal.md"

static void ids_are_ids(void **s) {
    (void)s;
    for (size_t i = 0; i < hx_log_event_count; i++) {
        const struct hx_log_event *e = &hx_log_events[i];
        assert_int_equal(strlen(e->id), 32);
        assert_int_equal(strspn(e->id, "0123456789abcdef"), 32);
        assert_ptr_equal(hx_log_event_find(e->name), e); /* the first of its name */
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(e->id, hx_log_events[j].id);
    }
    assert_null(hx_log_event_find("log"));
    assert_null(hx_log_event_find(NULL));
}

static char *read_file(const char *path) {
    struct hx_buf b = { 0 };
    FILE *f = fopen(path, "re");
    size_t n;
    if (!f)
        fail_msg("%s can't be read", path);
    while ((n = fread(hx_buf_reserve(&b, 65536), 1, 65536, f)) > 0)
        b.len += n;
    fclose(f);
    hx_buf_putc(&b, '\0');
    return hx_buf_take(&b);
}

static size_t count_of(const char *text, const char *part) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

/* form: 0 stands for the name, 1 for the id, 2 for the subject. */
static void check_text(const char *path, const char *text, const char *form, const char *each) {
    for (size_t i = 0; i < hx_log_event_count; i++) {
        const struct hx_log_event *e = &hx_log_events[i];
        const char *const values[] = { e->name, e->id, e->subject };
        _cleanup_buf_ struct hx_buf wanted = { 0 };
        for (const char *c = form; *c; c++)
            if (*c >= '0' && *c <= '2')
                hx_buf_puts(&wanted, values[*c - '0']);
            else
                hx_buf_putc(&wanted, *c);
        if (!strstr(text, wanted.data))
            fail_msg("%s: should have:\n%s", path, wanted.data);
    }
    assert_int_equal(count_of(text, each), hx_log_event_count); /* and no other */
}

static void the_catalog_explains_them(void **s) {
    (void)s;
    _cleanup_free_ char *text = read_file(CATALOG);
    check_text(CATALOG, text, "\n-- 1\nSubject: 2\nDefined-By: Heimdex\nDocumentation: man:heimdex-supervisor(8)\n\n",
               "\n-- ");
}

static void the_document_lists_them(void **s) {
    (void)s;
    _cleanup_free_ char *text = read_file(DOCUMENT);
    char *list = strstr(text, "\n## Events\n");
    assert_non_null(list);
    check_text(DOCUMENT, list, "\n| `0` | `1` | 2 |\n", "\n| `");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_ids),
        cmocka_unit_test(the_catalog_explains_them),
        cmocka_unit_test(the_document_lists_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
