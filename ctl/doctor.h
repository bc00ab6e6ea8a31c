/* What the probes of `doctor` share. Each probe bounds its own time and appends its findings. */
#pragma once

#include "common/text.h"
#include "ctl/ctl.h"

#include <stdbool.h>
#include <stddef.h>

enum finding_state { FINDING_OK, FINDING_WARNING, FINDING_FAILURE };

struct finding {
    const char *name; /* a literal: "pg" */
    enum finding_state state;
    double ms;
    char *what;  /* in words */
    char *error; /* where machines expect other words than people, or NULL: what */
    char *mend;  /* the command that mends it, or NULL */
};

struct doctor {
    struct ctl *ctl;
    struct finding *findings;
    size_t count;
    char **queues; /* whose topics there should be */
    size_t queue_count;
};

/* Appends a finding; started_ns (hx_mono_ns) gives its ms. mend may be NULL. Borrowed until the next one. */
struct finding *doctor_find(struct doctor *d, const char *name, enum finding_state state, int64_t started_ns,
                            const char *mend, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void doctor_add_queue(struct doctor *d, const char *queue);
void doctor_reset(struct doctor *d);
/* {"ok":bool,"deps":{NAME:{"ok","ms","error","warning","detail","mend"}}} and a line's end. */
void doctor_json(const struct doctor *d, struct hx_buf *out);
void doctor_render(const struct doctor *d, bool colored, struct hx_buf *out);
bool doctor_well(const struct doctor *d);

void probe_pg(struct doctor *d);     /* pg, schema, permissions, clock, snapshots; the queues of the registered types */
void probe_kafka(struct doctor *d);  /* kafka, topics */
void probe_fleet(struct doctor *d);  /* fleet */
void probe_others(struct doctor *d); /* redis, qdrant, gcs, where they are set */

/* probe_tcp.c: a connection within timeout_ms, name resolution included. 0; or -errno with *ret_why, a literal: what is wrong, in words
 * (a name's error has no number of its own). */
int probe_connect(const char *host, const char *port, int timeout_ms, const char **ret_why);
/* "scheme://user:pw@host:port/path" taken apart; what a URL leaves out comes from default_port. -EINVAL if there is no host. */
struct url_parts {
    char host[256], port[16];
};
int probe_parse_url(const char *url, const char *default_port, struct url_parts *ret);
