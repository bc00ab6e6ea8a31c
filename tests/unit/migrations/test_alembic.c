#include "migrations/alembic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static struct hx_problems problems;

static struct hx_revision *parse(const char *text) {
    struct hx_revision *r = NULL;
    hx_problems_reset(&problems);
    int result = hx_alembic_parse("versions/a_words.py", text, strlen(text), &r, &problems);
    assert_int_equal(result, r ? 0 : -EINVAL);
    assert_int_equal(problems.count, r ? 0 : 1);
    return r;
}

static int forget(void **s) {
    (void)s;
    hx_problems_reset(&problems);
    return 0;
}

static void as_alembic_writes_it(void **s) {
    (void)s;
    struct hx_revision *r =
        parse("\"\"\"add users\n\nRevision ID: a1b2\nRevises: \n\n\"\"\"\nfrom alembic import op\n\n"
              "# revision identifiers, used by Alembic.\nrevision = 'a1b2'\ndown_revision = None\n"
              "branch_labels = None\ndepends_on = None\n\n\ndef upgrade():\n    pass\n");
    assert_string_equal(r->id, "a1b2");
    assert_null(r->parent);
    assert_string_equal(r->message, "add users");
    assert_string_equal(r->text, "add users\n\nRevision ID: a1b2\nRevises:");
    assert_int_equal(r->label_count + r->depend_count, 0);
    hx_revision_free(r);
}

/* What each says of its parents, with blanks between. */
static void literals(void **s) {
    (void)s;
    static const struct {
        const char *value, *parents;
    } cases[] = {
        { "None", "" },
        { "()", "" },
        { "'x'", "x" },
        { "\"x\"", "x" },
        { "'''x'''", "x" },
        { "u'x'", "x" },
        { "('x')", "x" },
        { "('x',)", "x" },
        { "'x', 'y'", "x y" },
        { "(\n 'x', # one\n\n 'y'\n)", "x y" },
        { "['x', \"y\"]", "x y" },
        { "{'x', 'y'}", "x y" },
        { "'x' \\\n 'y'", "xy" },
        { "('x' 'y', None)", "xy" },
        { "'x'; y = 1", "x" },
        { "'x'  # 'y'", "x" },
        { "r'x'", "x" },
        { "'a\\x41\\'b'", "a\\x41'b" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hx_buf text = { 0 }, found = { 0 };
        hx_buf_printf(&text, "revision = 'a'\ndown_revision = %s\n", cases[i].value);
        struct hx_revision *r = parse(text.data);
        for (size_t j = 0; j < r->parent_count; j++)
            hx_buf_printf(&found, "%s%s", j ? " " : "", r->parents[j]);
        if (strcmp(found.data ? found.data : "", cases[i].parents))
            fail_msg("%s: %s", cases[i].value, found.data ? found.data : "nothing");
        hx_buf_reset(&text);
        hx_buf_reset(&found);
        hx_revision_free(r);
    }
}

static void annotations_and_what_is_not_meant(void **s) {
    (void)s;
    struct hx_revision *r = parse("import os\nrevision: str = 'a'\n"
                                  "down_revision: Union[str, Sequence[str], None] = 'p'\n"
                                  "if True:\n    revision = 'no'\n    down_revision = os.environ['X']\n"
                                  "x = {'revision': 'no',\nrevision: 'no'}\n"
                                  "def upgrade():\n    \"\"\"\nrevision = 'no'\n\"\"\"\n    revision == 'no'\n"
                                  "revisions = f(1)\n");
    assert_string_equal(r->id, "a");
    assert_string_equal(r->parent, "p");
    assert_string_equal(r->message, "");
    hx_revision_free(r);
}

static void the_last_one_counts(void **s) {
    (void)s;
    struct hx_revision *r =
        parse("revision = 'a'\r\nrevision = 'b'\r\ndown_revision = 'x'\r\ndown_revision = ('y', 'z')");
    assert_string_equal(r->id, "b");
    assert_int_equal(r->parent_count, 2);
    assert_string_equal(r->parent, "y");
    hx_revision_free(r);
}

static void refused(void **s) {
    (void)s;
    static const struct {
        const char *text;
        unsigned line;
        const char *why;
    } cases[] = {
        { "", 1, "no `revision" },
        { "revision = 'a'", 1, "no `down_revision" },
        { "down_revision = None", 1, "no `revision" },
        { "x = 1\nrevision = 'a' + 'b'\n", 2, "computed" },
        { "revision = ('a'\n", 1, "computed" },
        { "revision = f'a'\n", 1, "computed" },
        { "revision = 12\n", 1, "computed" },
        { "revision = ('a', 'b')\n", 1, "one string" },
        { "revision = ''\n", 1, "one string" },
        { "revision = '123456789012345678901234567890123'\n", 1, "32 characters" },
        { "\n'''never", 2, "never closed" },
        { "revision = 'a\xff'", 1, "UTF-8" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i].text))
            fail_msg("read: %s", cases[i].text);
        if (problems.items[0].line != cases[i].line || !strstr(problems.items[0].why, cases[i].why))
            fail_msg("%s: line %u: %s", cases[i].text, problems.items[0].line, problems.items[0].why);
    }
}

/* Any prefix of a file ends the reader, one way or the other. */
static void cut_short(void **s) {
    (void)s;
    static const char text[] =
        "\"\"\"d\n\"\"\"\nrevision: str = 'a' \\\n 'b'\ndown_revision = (\n 'x', # c\n '''y\n'''\n)\nf'{x}'\n";
    for (size_t n = 0; n < sizeof text; n++) {
        struct hx_revision *r = NULL;
        char *copy = hx_strndup(text, n); /* ends where the memory does */
        hx_alembic_parse("a.py", copy, n, &r, &problems);
        hx_revision_free(r);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_alembic_writes_it),
        cmocka_unit_test(literals),
        cmocka_unit_test(annotations_and_what_is_not_meant),
        cmocka_unit_test(the_last_one_counts),
        cmocka_unit_test(refused),
        cmocka_unit_test(cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
