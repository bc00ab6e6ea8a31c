/* Lines that handlers print: what counts as a message holds what the line says, in forms that PostgreSQL takes. */
#include "worker/message.h"

#include "tests/fuzz/oracle.h"

#include <errno.h>

static void check_text(const char *text) {
    if (text)
        must(hx_utf8_valid(text, strlen(text)));
}

static void check_result(const char *result, const json_t *line) {
    const json_t *said = line ? json_object_get(line, "result") : NULL;
    must(!line || !said == !result); /* a result that was printed is not lost, and none is made up */
    if (!result)
        return;
    struct hx_json_error error;
    _cleanup_json_ json_t *kept = NULL;
    must(hx_json_parse(result, strlen(result), &kept, &error) == 0);
    must(!said || json_equal(kept, said));
}

static void check_message(const struct message *m, const json_t *line) {
    must(m->progress >= -1 && m->progress <= 100);
    must(m->retry_after_ms >= -1 && m->snooze_ms >= -1);
    must(m->error ||
         (!m->error_code && !m->error_message && m->retry == MESSAGE_RETRY_UNSAID && m->retry_after_ms == -1));
    check_text(m->stage);
    check_text(m->error_code);
    check_text(m->error_message);
    check_text(m->cancel);
    check_result(m->result, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char why[80] = "";
    struct message m;
    int r = message_parse((const char *)data, size, &m, why, sizeof why);
    must(r == 0 || r == 1 || r == -EINVAL || r == -EBADMSG);
    must(r >= 0 || *why);
    _cleanup_json_ json_t *line = oracle_parse((const char *)data, size);
    if (r == 1)
        check_message(&m, line);
    if (r == 0 && json_is_object(line) &&
        !oracle_big_integer((const char *)data, size)) /* our limits make errors of them */
        must(!json_object_get(line, "result") && !json_object_get(line, "error") && !json_object_get(line, "snooze") &&
             !json_object_get(line, "cancel"));
    message_reset(&m);
    return 0;
}
