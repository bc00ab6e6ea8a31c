#include "common/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void becomes(const char *text, const char *expected) {
    _cleanup_free_ char *out = hx_redacted(text);
    assert_string_equal(out, expected);
}

static void urls(void **s) {
    (void)s;
    becomes("redis://user:pw@host:6379/0", "redis://***@host:6379/0");
    becomes("at postgresql://u:p%40w@h/db?x=1, retrying", "at postgresql://***@h/db?x=1, retrying");
    becomes("http://u:p@ss@host/path@x", "http://***@host/path@x");
    becomes("https://token@host", "https://***@host");
    becomes("http://host/a@b", "http://host/a@b");
    becomes("http://host?mail=a@b", "http://host?mail=a@b");
    becomes("SASL_SSL://a:b@h1:9,SASL_SSL://c:d@h2:9", "SASL_SSL://***@h1:9,SASL_SSL://***@h2:9");
    becomes("{\"url\":\"redis://h\",\"mail\":\"a@b\"}", "{\"url\":\"redis://h\",\"mail\":\"a@b\"}");
    becomes("://@", "://***@");
    becomes("http://", "http://");
}

static void pairs(void **s) {
    (void)s;
    becomes("password=hunter2", "password=***");
    becomes("host=h password=hunter2 user=u", "host=h password=*** user=u");
    becomes("password = hunter2 user=u", "password = *** user=u");
    becomes("host=h PassWord='two \\' words' user=u", "host=h PassWord='***' user=u");
    becomes("password=\"two words\";", "password=\"***\";");
    becomes("password='never ends", "password='***");
    becomes("password='it's mine' user=u", "password='***' user=u");
    becomes("sasl.password=a,b&c", "sasl.password=***");
    becomes("secret_key=x&next=y", "secret_key=***&next=y");
    becomes("http://h/?token=abc&page=2", "http://h/?token=***&page=2");
    becomes("PGPASSWORD=x", "PGPASSWORD=***");
    becomes("ssl.key.password=x", "ssl.key.password=***");
    becomes("{\"password\":\"x\\\"y\",\"user\":\"u\"}", "{\"password\":\"***\",\"user\":\"u\"}");
    becomes("{\"token\": 12}", "{\"token\": ***");
    becomes("{\"tokens\":[\"a\",\"b]\"],\"user\":\"u\"}", "{\"tokens\":***,\"user\":\"u\"}");
    becomes("{\"secret\": {\"a\":\"}\"}, \"user\":\"u\"}", "{\"secret\": ***, \"user\":\"u\"}");
    becomes("tokens=[\"never\", \"ends", "tokens=***");
    becomes("password=", "password=");
    becomes("the password is wrong", "the password is wrong");
    becomes("unexpected token: x", "unexpected token: x");
    becomes("user=u", "user=u");
    becomes("", "");
}

/* JSON that somebody printed as a string of JSON, once or twice. */
static void pairs_in_strings(void **s) {
    (void)s;
    becomes("{\"m\":\"{\\\"token\\\":\\\"x\\\",\\\"user\\\":\\\"u\\\"}\"}",
            "{\"m\":\"{\\\"token\\\":\\\"***\\\",\\\"user\\\":\\\"u\\\"}\"}");
    becomes("\"{\\\"token\\\":\\\"x\\\\\\\"y\\\"}\"", "\"{\\\"token\\\":\\\"***\\\"}\"");
    becomes("\"password=\\\"two words\\\" user=u\"", "\"password=\\\"***\\\" user=u\"");
    becomes("\"password=\\\"never ends\" user=u", "\"password=\\\"***\" user=u");
    becomes("\"password=x\\\" user=u\"", "\"password=***\\\" user=u\"");
    becomes("\\\\\\\"token\\\\\\\":[\\\\\\\"x\\\\\\\"]", "\\\\\\\"token\\\\\\\":***");
}

/* A line of a megabyte takes no longer than it is long. */
static void backslashes_by_the_million(void **s) {
    (void)s;
    static const char *const starts[] = { "password=", "password='", "password=[" };
    static char text[1 << 20];
    for (size_t i = 0; i < HX_ARRAY_LEN(starts); i++) {
        memset(text, '\\', sizeof text - 1);
        memcpy(text, starts[i], strlen(starts[i]));
        _cleanup_free_ char *out = hx_redacted(text);
        assert_true(strlen(out) < 20);
    }
}

static void remembered(void **s) {
    (void)s;
    hx_redact_secret("s3cr/t@value");
    hx_redact_secret("s3cr/t@value-longer");
    hx_redact_secret("s3cr/t@value");
    hx_redact_secret("two words");
    hx_redact_secret("abc"); /* too short */
    hx_redact_secret(NULL);
    hx_redact_secret("");
    becomes("got s3cr/t@value!", "got ***!");
    becomes("s3cr/t@values3cr/t@value", "******");
    becomes("s3cr/t@value-longer", "***");
    becomes("abc", "abc");
    /* Patterns must not cut a remembered value in two. */
    becomes("password=two words x=1", "password=*** x=1");
    becomes("redis://u:s3cr/t@value@host", "redis://***@host");
    becomes("s3cr/t@valu", "s3cr/t@valu");
}

static void appends(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_buf_puts(&out, "before ");
    hx_redact(&out, "password=x");
    assert_string_equal(out.data, "before password=***");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(pairs),
        cmocka_unit_test(pairs_in_strings),
        cmocka_unit_test(backslashes_by_the_million),
        cmocka_unit_test(remembered),
        cmocka_unit_test(appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
