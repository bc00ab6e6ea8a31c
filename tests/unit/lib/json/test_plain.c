#include "lib/json/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

/* Each byte at each place of texts of each length: what is plain is what the definition says, and nothing behind the end is looked at. */
static void every_byte_at_every_place(void **state) {
    (void)state;
    char text[32];
    for (int c = 0; c < 256; c++) {
        bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
        for (size_t n = 0; n <= 24; n++)
            for (size_t at = 0; at <= n; at++) {
                memset(text, 'x', sizeof(text));
                text[at] = (char)c;
                assert_int_equal(hx_json_plain(text, n), plain ? n : at);
            }
    }
}

static void the_first_of_several_ends_it(void **state) {
    (void)state;
    static const char ends[] = { '"', '\\', '\n', '\0', '\x1f', '\x80', '\xff' };
    for (size_t i = 0; i < sizeof(ends); i++)
        for (size_t j = 0; j < sizeof(ends); j++)
            for (size_t first = 0; first < 16; first++)
                for (size_t second = first + 1; second < 20; second++) {
                    char text[24];
                    memset(text, '!', sizeof(text)); /* one above a space, and one below a quote */
                    text[first] = ends[i];
                    text[second] = ends[j];
                    assert_int_equal(hx_json_plain(text, sizeof(text)), first);
                }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(the_first_of_several_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
