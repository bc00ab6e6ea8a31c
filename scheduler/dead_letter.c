#include "scheduler/dead_letter.h"

#include "lib/json/json.h"

#include <string.h>

enum { KEPT = 16 * 1024 };

static void cut_text(json_t *object, const char *key) {
    const char *text = NULL;
    if (hx_json_get_string(object, key, &text) <= 0 || strlen(text) <= KEPT)
        return;
    char head[KEPT + 1];
    hx_strcopy(head, sizeof head, text);
    json_object_set_new(object, key, json_string(head));
}

static void cut_payload(json_t *record) {
    const json_t *payload = json_object_get(record, "payload");
    if (!payload)
        return;
    _cleanup_free_ char *text = hx_json_dump(payload);
    char head[KEPT + 1];
    hx_strcopy(head, sizeof head, text);
    json_object_set_new(record, "payload_head", json_string(head));
    json_object_set_new(record, "payload_size", json_integer((json_int_t)strlen(text)));
    json_object_set_new(record, "payload", json_null());
}

char *dead_letter_shorten(const char *key, const char *record, size_t size) {
    _cleanup_json_ json_t *object = NULL;
    struct hx_json_error error;
    if (hx_json_parse(record, size, &object, &error) < 0 || !json_is_object(object)) {
        json_decref(object);
        object = json_pack("{s:s}", "id", key);
    }
    cut_payload(object);
    cut_text(object, "record_base64");
    json_t *why = json_object_get(object, "error");
    if (json_is_object(why))
        cut_text(why, "message");
    json_object_set_new(object, "truncated", json_true());
    return hx_json_dump(object);
}
