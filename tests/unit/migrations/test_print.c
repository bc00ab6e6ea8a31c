#include "migrations/print.h"
#include "tests/unit/migrations/chain_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct hx_chain *chain;
static struct hx_buf out;

static int make_chain(void **s) {
    (void)s;
    static const char *const specs[] = { "a -", "b a" };
    struct hx_problems problems = { 0 };
    return build_chain(specs, 2, &chain, &problems);
}

static int free_all(void **s) {
    (void)s;
    hx_buf_reset(&out);
    chain = hx_chain_free(chain);
    return 0;
}

static void expect(const char *text) {
    assert_string_equal(out.data, text);
    hx_buf_clear(&out);
}

static void history(void **s) {
    (void)s;
    hx_print_line(&out, chain, 1, NULL);
    hx_print_line(&out, chain, 0, NULL);
    expect("a -> b (head), m \"b\"\n<base> -> a, m \"a\"\n");
    hx_print_verbose(&out, chain, 1, NULL);
    hx_print_verbose(&out, chain, 0, NULL);
    expect("Rev: b (head)\nParent: a\nPath: b.sql\n\n    m \"b\"\n\n"
           "Rev: a\nParent: <base>\nPath: a.sql\n\n    m \"a\"\n\n");
}

static void where_the_database_stands(void **s) {
    (void)s;
    struct hx_marks marks = { .applied = (bool[]){ true, true }, .current = (bool[]){ false, true } };
    hx_print_line(&out, chain, 1, &marks);
    expect("a -> b (head) (current), m \"b\"\n");
    hx_print_line(&out, chain, 0, &marks);
    expect("<base> -> a, m \"a\"\n");
}

static void one_revision(void **s) {
    (void)s;
    hx_print_short(&out, chain, 1);
    expect("b (head)\n");
    hx_print_short(&out, chain, 0);
    expect("a\n");
}

static void json(void **s) {
    (void)s;
    static const size_t both[] = { 1, 0 };
    struct hx_marks marks = { .applied = (bool[]){ true, false }, .current = (bool[]){ true, false } };
    hx_print_json(&out, chain, both, 2, &marks);
    expect(
        "[{\"revision\":\"b\",\"down_revision\":\"a\",\"message\":\"m \\\"b\\\"\",\"path\":\"b.sql\",\"head\":true,"
        "\"applied\":false},{\"revision\":\"a\",\"down_revision\":null,\"message\":\"m \\\"a\\\"\",\"path\":\"a.sql\","
        "\"head\":false,\"applied\":true}]\n");
    hx_print_json(&out, chain, both, 1, NULL);
    expect("[{\"revision\":\"b\",\"down_revision\":\"a\",\"message\":\"m \\\"b\\\"\",\"path\":\"b.sql\",\"head\":true,"
           "\"applied\":null}]\n");
}

static void current_json(void **s) {
    (void)s;
    hx_print_current_json(&out, chain, 0);
    expect("{\"revision\":null,\"head\":false}\n");
    hx_print_current_json(&out, chain, 1);
    expect("{\"revision\":\"a\",\"head\":false}\n");
    hx_print_current_json(&out, chain, 2);
    expect("{\"revision\":\"b\",\"head\":true}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history),      cmocka_unit_test(where_the_database_stands),
        cmocka_unit_test(one_revision), cmocka_unit_test(json),
        cmocka_unit_test(current_json),
    };
    return cmocka_run_group_tests(tests, make_chain, free_all);
}
