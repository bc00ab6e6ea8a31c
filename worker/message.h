/* A line that a handler printed, read as a message of the handler contract (docs/handlers.md). Pure: no worker behind it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_retry { MESSAGE_RETRY_UNSAID, MESSAGE_RETRY_YES, MESSAGE_RETRY_NO };

/* What is unset is NULL or -1. Strings are the message's; message_reset frees them. */
struct message {
    char *stage;
    int progress; /* 0..100 */
    char *result; /* compact JSON */
    char *error_code, *error_message;
    enum message_retry retry;
    int64_t retry_after_ms;
    int64_t snooze_ms;
    char *cancel;
    bool error; /* an "error" member was there */
};

/* 1: *ret is a message; 0: an ordinary line of output; -EINVAL: a stage or progress with a wrong value, to be ignored, and *ret has the rest;
 * -EBADMSG: a wrong result, error, snooze or cancel, without which the run can't be judged. *why (at most why_size bytes) says what is wrong.
 * *ret is always safe to message_reset. */
int message_parse(const char *line, size_t n, struct message *ret, char *why, size_t why_size);
void message_reset(struct message *m);
