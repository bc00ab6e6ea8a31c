/* What a scheduler reads of a death: a message of the supervisor, and a memfd over which the dead worker may have scribbled. */
#include "scheduler/death.h"

#include "tests/fuzz/oracle.h"

static void check_order(const struct death *d) {
    must(d->n <= HX_EVIDENCE_ENTRIES);
    for (size_t i = 1; i < d->n; i++) {
        int order = hx_uuid_cmp(&d->ids[i - 1], &d->ids[i]);
        must(order < 0 ||
             (order == 0 && d->fences[i - 1] < d->fences[i])); /* the statement locks in this order, each run once */
    }
}

static void check_texts(const struct death *d) {
    struct hx_json_error error;
    _cleanup_json_ json_t *detail = NULL;
    must(d->code && d->message && d->detail && strlen(d->code) <= 100);
    must(hx_json_parse(d->detail, strlen(d->detail), &detail, &error) == 0 && json_is_object(detail));
}

static void scribble(struct hx_evidence *evidence, size_t from, const uint8_t *bytes, size_t n) {
    for (size_t at = from; n && at < sizeof *evidence; at += n)
        memcpy((char *)evidence + at, bytes, HX_MIN(n, sizeof *evidence - at));
}

/* The input: a byte (odd: magic and version are spared), a line of JSON, then bytes for the mapping, repeated over all of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t from = fuzz_byte(&data, &size) & 1 ? 8 : 0;
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t text = newline ? (size_t)(newline - data) : size;
    struct hx_json_error error;
    struct hx_evidence *evidence;
    _cleanup_json_ json_t *message = NULL;
    _cleanup_close_ int fd = -1;
    must(hx_evidence_create(&fd, &evidence) == 0);
    if (newline)
        scribble(evidence, from, newline + 1, size - text - 1);
    hx_evidence_unmap(evidence);
    if (hx_json_parse((const char *)data, text, &message, &error) < 0)
        message = json_pack("{s:i}", "death", 1);
    struct death *d = death_from_message(message, fd);
    if (!d)
        return 0;
    must(!d->no_evidence || d->n == 0);
    check_order(d);
    check_texts(d);
    death_simplify(d);
    check_texts(d);
    death_free(d);
    return 0;
}
