#include "tests/unit/lib/config/scratch.h"

#include "lib/config/source.h"

/* Reads the scratch file "a.conf"; the complaint without the folder, or "". */
static const char *complaint(struct hx_source *source, int result) {
    static struct hx_config_error e;
    e.message[0] = '\0';
    assert_int_equal(hx_source_read(source, in_scratch("a.conf"), &e), result);
    for (char *at; (at = strstr(e.message, scratch));)
        memmove(at, at + strlen(scratch), strlen(at + strlen(scratch)) + 1);
    return e.message;
}

static void check(const char *content, const char *message) {
    _cleanup_source_ struct hx_source source = { 0 };
    put("a.conf", content);
    assert_string_equal(complaint(&source, *message ? -EINVAL : 0), message);
}

static void numbers(void **s) {
    (void)s;
    check("worker = { slots = 2147483647; x = -2147483648; y = 0x7fffffff; z = 5000000000L; w = 0xFFFFFFFFFL; };", "");
    check("a = 1.5; b = 1e99; c = -.5; d = 99999999999.0; e = [1, 2]; f = \"5000000000\"; g_5000000000 = 1;", "");
    check("# 5000000000\n// 5000000000\n/* 5000000000\n 5000000000 */ a = 1;", "");
    check("\nworker = { slots = 5000000000; };",
          "/a.conf:2: Invalid worker.slots: 5000000000 (must be a number of 32 bits, or of 64 bits with L behind it)");
    check("a = 2147483648;",
          "/a.conf:1: Invalid a: 2147483648 (must be a number of 32 bits, or of 64 bits with L behind it)");
    check("a=-2147483649;",
          "/a.conf:1: Invalid a: -2147483649 (must be a number of 32 bits, or of 64 bits with L behind it)");
    check("a : 0x80000000;",
          "/a.conf:1: Invalid a: 0x80000000 (must be a number of 32 bits, or of 64 bits with L behind it)");
    check("a = 9223372036854775808L;", "/a.conf:1: Invalid a: 9223372036854775808L (must be a number of 64 bits)");
    check("a = 9223372036854775808LL;", "/a.conf:1: Invalid a: 9223372036854775808LL (must be a number of 64 bits)");
    check("a = 0x10000000000000000L;", "/a.conf:1: Invalid a: 0x10000000000000000L (must be a number of 64 bits)");
    check("l = ( { t = \"x\"; a = 1; },\n { t = \"y\"; b = 4294967296; } );",
          "/a.conf:2: Invalid l.b: 4294967296 (must be a number of 32 bits, or of 64 bits with L behind it)");
    check("s = \"a\\\"b\"; n = 4294967296;",
          "/a.conf:1: Invalid n: 4294967296 (must be a number of 32 bits, or of 64 bits with L behind it)");
}

static void texts(void **s) {
    (void)s;
    check("a = \"x\n\n", "/a.conf:1: string that doesn't end");
    check("a = 1;\nb = \"x\ny\";\nc = \"", "/a.conf:4: string that doesn't end");
    check("a = 1; /* x\n", "/a.conf:1: comment that doesn't end");
    check("a = \"b\\x00c\";", "/a.conf:1: a string can't hold \\x00");
    put_bytes("a.conf", "a = 1;\0", 7);
    _cleanup_source_ struct hx_source source = { 0 };
    assert_string_equal(complaint(&source, -EINVAL), "/a.conf:1: not a text file");
}

static void empty_and_missing(void **s) {
    (void)s;
    _cleanup_source_ struct hx_source source = { 0 }, missing = { 0 }, folder = { 0 };
    put("a.conf", "");
    assert_string_equal(complaint(&source, 0), "");
    assert_string_equal(source.text.data, "");
    unlink(in_scratch("a.conf"));
    assert_string_equal(complaint(&missing, -ENOENT), "/a.conf: No such file or directory");
    mkdir(in_scratch("a.conf"), 0700);
    assert_string_equal(complaint(&folder, -EISDIR), "/a.conf: Is a directory");
}

/* Whoever opens one waits until somebody else does. */
static void a_pipe_is_no_file(void **s) {
    (void)s;
    _cleanup_source_ struct hx_source source = { 0 };
    assert_int_equal(mkfifo(in_scratch("a.conf"), 0600), 0);
    assert_string_equal(complaint(&source, -ESPIPE), "/a.conf: a pipe or a socket, must be a file");
}

static void check_where(const struct hx_source *source, unsigned n, const char *file, unsigned line) {
    struct hx_source_line at = hx_source_where(source, n);
    assert_string_equal(at.file, in_scratch(file));
    assert_int_equal(at.line, line);
}

static void includes(void **s) {
    (void)s;
    _cleanup_source_ struct hx_source source = { 0 };
    _cleanup_free_ char *absolute = hx_printf("@include \"%s\"", in_scratch("sub/c.conf"));
    put("a.conf", "a = 1;\n  @include \"sub/b.conf\" # why\n/*\n@include \"not-this\"\n*/\nd = 4;");
    put("sub/b.conf", "b = 2;\n@include \"c.conf\"\nb2 = 3;");
    put("sub/c.conf", "c = 3;\n");
    assert_string_equal(complaint(&source, 0), "");
    assert_string_equal(source.text.data, "a = 1;\nb = 2;\nc = 3;\nb2 = 3;\n/*\n@include \"not-this\"\n*/\nd = 4;\n");
    check_where(&source, 1, "a.conf", 1);
    check_where(&source, 2, "sub/b.conf", 1);
    check_where(&source, 3, "sub/c.conf", 1);
    check_where(&source, 4, "sub/b.conf", 3);
    check_where(&source, 5, "a.conf", 3);
    check_where(&source, 8, "a.conf", 6);
    check_where(&source, 99, "a.conf", 6);
    check(absolute, "");
}

static void bad_includes(void **s) {
    (void)s;
    put("b.conf", "\nx = \"");
    check("@include \"b.conf\"", "/b.conf:2: string that doesn't end");
    check("\n@include \"none.conf\"", "/a.conf:2: /none.conf: No such file or directory");
    check("@include none", "/a.conf:1: @include without a \"FILE\"");
    check("@include \"\"", "/a.conf:1: @include without a \"FILE\"");
    check("@include \"b.conf\" x", "/a.conf:1: more text behind @include \"FILE\"");
    check("@include \"a.conf\"", "/a.conf:1: /a.conf: files include each other more than 10 deep");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(numbers),           scratch_test(texts),    scratch_test(a_pipe_is_no_file),
        scratch_test(empty_and_missing), scratch_test(includes), scratch_test(bad_includes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
