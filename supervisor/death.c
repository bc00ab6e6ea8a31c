#include "supervisor/death.h"

#include "common/process.h"
#include "common/redact.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static int64_t milliseconds(struct timeval t) {
    return (int64_t)t.tv_sec * 1000 + t.tv_usec / 1000;
}

/* Text that JSON, PostgreSQL and a terminal can all bear: a crash may print anything. */
static char *presentable(const char *text, size_t n) {
    char *copy = hx_alloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        copy[i] = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? ' ' : (char)c;
    }
    /* the tail was cut anywhere: what is left of a character at its start isn't one */
    size_t start = 0;
    while (start < n && start < 3 && ((unsigned char)copy[start] & 0xc0) == 0x80)
        start++;
    memmove(copy, copy + start, n - start + 1);
    if (!hx_utf8_valid(copy, n - start))
        for (char *c = copy; *c; c++)
            if ((unsigned char)*c >= 0x80)
                *c = '?';
    char *safe = hx_redacted(copy);
    free(copy);
    return safe;
}

static char *last_line(const char *text) {
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' '))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    return end > start ? hx_strndup(text + start, end - start) : NULL;
}

static void describe_end(struct death *d) {
    int status = d->wait_status;
    if (d->pid <= 0) {
        hx_strcopy(d->code, sizeof(d->code), "NOT_STARTED");
        d->message = hx_strdup("could not be started");
    } else if (WIFSIGNALED(status)) {
        snprintf(d->code, sizeof(d->code), "%s", hx_signal_name(WTERMSIG(status)));
        d->message = hx_printf("was killed by %s%s%s", d->code, WCOREDUMP(status) ? " (core dumped)" : "",
                               d->stood_still ? ", ours: it stood still"
                               : d->cut_short ? ", ours: it did not end in time"
                                              : "");
    } else {
        snprintf(d->code, sizeof(d->code), "EXIT_%d", WEXITSTATUS(status));
        d->message = hx_printf("ended with exit code %d", WEXITSTATUS(status));
    }
}

void death_describe(struct death *d, const struct rusage *usage, const char *fatal, const char *tail, size_t tail_len) {
    int status = d->wait_status;
    _cleanup_free_ char *text = presentable(tail, tail_len);
    describe_end(d);
    d->why = fatal ? presentable(fatal, strlen(fatal)) : last_line(text);
    d->detail = json_object();
    if (WIFSIGNALED(status))
        json_object_set_new(d->detail, "signal", json_integer(WTERMSIG(status)));
    else
        json_object_set_new(d->detail, "exit", json_integer(WEXITSTATUS(status)));
    if (WIFSIGNALED(status) && WCOREDUMP(status))
        json_object_set_new(d->detail, "core", json_true());
    if (d->stood_still)
        json_object_set_new(d->detail, "stood_still", json_true());
    if (d->cut_short)
        json_object_set_new(d->detail, "reason", json_string("drain"));
    json_object_set_new(d->detail, "lived_ms", json_integer(d->lived_ms));
    json_object_set_new(d->detail, "user_ms", json_integer(milliseconds(usage->ru_utime)));
    json_object_set_new(d->detail, "system_ms", json_integer(milliseconds(usage->ru_stime)));
    json_object_set_new(d->detail, "max_rss_kb", json_integer(usage->ru_maxrss));
    if (*text)
        json_object_set_new(d->detail, "stderr", json_string(text));
}

bool death_exited(const struct death *d, int code) {
    return d->pid > 0 && WIFEXITED(d->wait_status) && WEXITSTATUS(d->wait_status) == code;
}

json_t *death_message(const struct death *d) {
    json_t *m = json_object();
    _cleanup_free_ char *sentence = hx_printf("%s %d (pid %d) %s", d->role, d->slot, (int)d->pid, d->message);
    json_object_set_new(m, "op", json_string("death"));
    json_object_set_new(m, "death", json_integer(d->number));
    json_object_set_new(m, "worker", json_integer(d->worker_id));
    json_object_set_new(m, "slot", json_integer(d->slot));
    json_object_set_new(m, "pid", json_integer(d->pid));
    json_object_set_new(m, "code", json_string(d->code));
    json_object_set_new(m, "message", json_string(sentence));
    json_object_set_new(m, "cut_short", json_boolean(d->cut_short));
    json_object_set(m, "detail", d->detail);
    return m;
}

struct death *death_free(struct death *d) {
    if (!d)
        return NULL;
    hx_evidence_unmap(d->evidence);
    if (d->evidence_fd >= 0)
        close(d->evidence_fd);
    free(d->message);
    free(d->why);
    json_decref(d->detail);
    free(d);
    return NULL;
}
