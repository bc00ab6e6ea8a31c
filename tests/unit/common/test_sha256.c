#include "common/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void expect(const char *text, size_t n, size_t piece, const char *hex) {
    struct hx_sha256 sum;
    char found[HX_SHA256_HEX_SIZE];
    hx_sha256_init(&sum);
    for (size_t at = 0; at < n; at += piece)
        hx_sha256_update(&sum, text + at, n - at < piece ? n - at : piece);
    hx_sha256_end_hex(&sum, found);
    assert_string_equal(found, hex);
}

/* FIPS 180-2, appendix B. */
static void published_examples(void **s) {
    (void)s;
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    for (size_t piece = 1; piece < 200; piece += 33) {
        expect("", 0, piece, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        expect("abc", 3, piece, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        expect(two, sizeof two - 1, piece, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
    expect(million, 1000000, 999, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(published_examples) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
