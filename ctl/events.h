/* What `events` shows of one. */
#pragma once

#include "ctl/ctl.h"

enum { EVENTS_PAGE = 5000 };

/* Where a reader of events stands. */
struct place {
    int64_t ts;
    struct hx_uuid id;
};

struct event_row {
    struct place place;
    char *text; /* the JSON object */
};

/* A list that grows; of the newest `keep` where that isn't 0. */
struct event_list {
    struct event_row *rows;
    size_t count, cap;
};
void event_list_add(struct event_list *list, const struct place *place, const char *text);
void event_list_reset(struct event_list *list);
/* Removes the oldest until `keep` are left. */
void event_list_keep(struct event_list *list, size_t keep);

/* Reads events behind a place, at most limit, and appends them. 0 or an exit code; reterr NULL: complain. */
int events_read(struct ctl *c, const struct place *after, int32_t limit, struct event_list *list,
                struct hx_pg_error *reterr);
/* The newest n, oldest first. 0 or an exit code, complained of. */
int events_newest(struct ctl *c, size_t n, struct event_list *list);
/* Appends one: a line for people, or with --json the object. */
void event_print(const struct ctl *c, const struct event_row *row, struct hx_buf *out);
/* Goes on with what comes, until INT, TERM, or the reader of our output goes away. `shown` has what was printed last. */
int events_follow(struct ctl *c, struct event_list *shown);
