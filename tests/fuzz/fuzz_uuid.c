/* UUIDs: text and bytes say the same, and their orders agree. */
#include "common/uuid.h"

#include "tests/fuzz/fuzz.h"

#include <strings.h>

static void check_bytes(const struct hx_uuid *u) {
    char text[HX_UUID_SIZE];
    struct hx_uuid again;
    hx_uuid_format(u, text);
    must(strlen(text) == HX_UUID_SIZE - 1);
    must(hx_uuid_parse(text, &again) == 0 && hx_uuid_eq(&again, u));
    must(hx_uuid_v7_ms(u) >= -1 && hx_uuid_v7_ms(u) < INT64_C(1) << 48);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_free_ char *text = fuzz_text(data, size);
    char printed[HX_UUID_SIZE];
    struct hx_uuid u = { { 7 } }, two[2];
    if (hx_uuid_parse(text, &u) == 0) {
        hx_uuid_format(&u, printed);
        must(strcasecmp(printed, text) == 0);
        check_bytes(&u);
    } else {
        must(u.b[0] == 7);
    }
    if (size == sizeof two) {
        memcpy(two, data, sizeof two);
        check_bytes(&two[0]);
        char a[HX_UUID_SIZE], b[HX_UUID_SIZE];
        hx_uuid_format(&two[0], a);
        hx_uuid_format(&two[1], b);
        int order = hx_uuid_cmp(&two[0], &two[1]), by_text = strcmp(a, b);
        must((order > 0) - (order < 0) == (by_text > 0) - (by_text < 0));
    }
    return 0;
}
