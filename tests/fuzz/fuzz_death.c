/* What the supervisor makes of a death: no group outside the evidence's rules is killed whatever it says, and last words become JSON. */
#include "supervisor/death.h"

#include "common/process.h"
#include "supervisor/groups.h"
#include "tests/fuzz/oracle.h"

#include <unistd.h>

enum { SPARED = 77 };

static int killed;

/* In place of the real one (the linker's --wrap): nothing dies here. */
int __wrap_hx_kill_group(pid_t pgid, int signo);
int __wrap_hx_kill_group(pid_t pgid, int signo) {
    (void)signo;
    must(pgid > 1 && pgid != getpgrp() && pgid != SPARED);
    return ++killed, 1;
}

static bool spare(pid_t pgid, void *user) {
    (void)user;
    return pgid == SPARED;
}

static void check_groups(const uint8_t *data, size_t size) {
    struct hx_evidence *evidence = hx_alloc(sizeof *evidence);
    for (size_t at = 0; size && at < sizeof *evidence; at += size)
        memcpy((char *)evidence + at, data, HX_MIN(size, sizeof *evidence - at));
    killed = 0;
    must(groups_kill(evidence, spare, NULL) == killed && (size_t)killed <= HX_EVIDENCE_ENTRIES);
    free(evidence);
}

static void check_words(const uint8_t *data, size_t size) {
    struct death d = { .role = "worker", .pid = 4711, .wait_status = fuzz_byte(&data, &size), .evidence_fd = -1 };
    struct rusage usage = { 0 };
    _cleanup_free_ char *fatal = size && data[0] & 1 ? fuzz_text(data, size) : NULL;
    death_describe(&d, &usage, fatal, (const char *)data, size);
    struct hx_json_error error;
    _cleanup_json_ json_t *message = death_message(&d), *read = NULL;
    _cleanup_free_ char *text = hx_json_dump(message);
    must(hx_json_parse(text, strlen(text), &read, &error) == 0); /* what a scheduler will do with it */
    must(json_equal(read, message));
    must(!d.why || hx_utf8_valid(d.why, strlen(d.why)));
    bool blank = true;
    for (size_t i = 0; i < size; i++)
        blank = blank && (data[i] & 0xc0) == 0x80; /* halves of characters at the start are dropped */
    must(blank || json_object_get(d.detail, "stderr"));
    free(d.message);
    free(d.why);
    json_decref(d.detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_groups(data, size);
    check_words(data, size);
    return 0;
}
