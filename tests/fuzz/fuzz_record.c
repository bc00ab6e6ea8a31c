/* Announcements from Kafka: what decodes encodes to the same bytes, and no shorter or longer record does. */
#include "lib/kafka/record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hx_announcement a;
    const char *why = NULL;
    if (hx_announcement_decode(data, size, &a, &why) < 0) {
        must(why && *why);
        return 0;
    }
    must(a.count >= 1 && a.count <= HX_ANNOUNCE_MAX);
    must(hx_utf8_valid(a.type, strlen(a.type)));
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(a.count, sizeof *ids);
    for (size_t i = 0; i < a.count; i++)
        ids[i] = hx_announcement_id(&a, i);
    _cleanup_buf_ struct hx_buf again = { 0 };
    must(hx_announcement_encode(&again, a.type, ids, a.count) == 0);
    must(again.len == size && memcmp(again.data, data, size) == 0);
    must(hx_announcement_decode(again.data, size - 1, &a, &why) < 0);
    hx_buf_putc(&again, 0);
    must(hx_announcement_decode(again.data, size + 1, &a, &why) < 0);
    return 0;
}
