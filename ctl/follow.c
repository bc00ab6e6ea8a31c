#include "common/log.h"
#include "ctl/connection.h"
#include "ctl/events.h"
#include "ctl/output.h"
#include "lib/ledger/ledger.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Transactions become visible a little after the times that they wrote: so the last seconds are read again each time, and what was
 * shown already is left out. */
enum { PAUSE_MS = 500, OVERLAP_US = 2 * 1000000 };

struct follow {
    struct ctl *ctl;
    struct event_list *shown; /* of the overlap, in order */
    struct hx_timer *timer;
    struct hx_buf out;
    bool lost, ended;
    int code;
    /* In the first round: what comes before the last line that `events` printed is older than what was asked for. */
    bool first;
    struct place printed;
};

/* A question under way ends with its connection: nobody waits for a server that doesn't answer. */
static void end(struct follow *f, int code) {
    f->ended = true;
    f->code = HX_MAX(code, 0);
    f->ctl->pg = hx_pg_free(f->ctl->pg);
    hx_loop_stop(f->ctl->loop);
}

static void interrupted(int signo, const struct hx_sender *sender, void *user) {
    (void)signo, (void)sender;
    end(user, 0);
}

static void reader_gone(int fd, uint32_t events, void *user) {
    (void)fd;
    if (events & (EPOLLERR | EPOLLHUP))
        end(user, 0);
}

static int compare(const struct place *a, const struct place *b) {
    return a->ts != b->ts ? (a->ts < b->ts ? -1 : 1) : hx_uuid_cmp(&a->id, &b->id);
}

static int compare_rows(const void *a, const void *b) {
    return compare(&((const struct event_row *)a)->place, &((const struct event_row *)b)->place);
}

static bool was_shown(const struct follow *f, size_t known, const struct event_row *row) {
    return known && bsearch(row, f->shown->rows, known, sizeof *row, compare_rows);
}

static int64_t newest_ts(const struct follow *f) {
    return f->shown->count ? f->shown->rows[f->shown->count - 1].place.ts : f->ctl->now_us;
}

/* Forgets what lies before the overlap. */
static void forget(struct follow *f) {
    int64_t from = newest_ts(f) - OVERLAP_US;
    size_t old = 0;
    while (old < f->shown->count && f->shown->rows[old].place.ts < from)
        old++;
    event_list_keep(f->shown, f->shown->count - old);
}

static void show_new(struct follow *f, struct event_list *page, size_t known) {
    for (size_t i = 0; i < page->count; i++) {
        if (was_shown(f, known, &page->rows[i]))
            continue;
        if (!f->first || compare(&page->rows[i].place, &f->printed) > 0)
            event_print(f->ctl, &page->rows[i], &f->out);
        event_list_add(f->shown, &page->rows[i].place, "");
    }
}

/* The server may be away for a while: an operator who watches wants to see it come back. */
static int judge(struct follow *f, int code, const struct hx_pg_error *error) {
    if (f->ended)
        return 0;
    bool lost = code == HX_EXIT_UNAVAILABLE || code == HX_EXIT_TRY_AGAIN;
    if (lost && !f->lost)
        hx_complain("PostgreSQL: %s, retrying", error->message);
    else if (!lost && f->lost)
        hx_complain("PostgreSQL is back");
    f->lost = lost;
    if (code && !lost)
        connection_complain(error);
    return lost ? -EAGAIN : code;
}

/* Reads from the overlap's begin to the end. 0, -EAGAIN: later, or an exit code. */
static int catch_up(struct follow *f) {
    struct place after = { .ts = newest_ts(f) - OVERLAP_US };
    size_t known = f->shown->count;
    int code = 0;
    for (bool more = true; more && !code && !f->ended;) {
        struct hx_pg_error error = { 0 };
        struct event_list page = { 0 };
        code = judge(f, events_read(f->ctl, &after, EVENTS_PAGE, &page, &error), &error);
        more = page.count == EVENTS_PAGE;
        if (page.count)
            after = page.rows[page.count - 1].place;
        show_new(f, &page, known);
        event_list_reset(&page);
        if (!code)
            code = output_write(&f->out);
    }
    qsort(f->shown->rows, f->shown->count, sizeof *f->shown->rows, compare_rows);
    forget(f);
    return code;
}

static void poll_again(void *user) {
    struct follow *f = user;
    int code = catch_up(f);
    f->first &= code == -EAGAIN;
    if (f->ended)
        return;
    if (code && code != -EAGAIN)
        end(f, code);
    else
        hx_timer_set(f->timer, PAUSE_MS);
}

int events_follow(struct ctl *c, struct event_list *shown) {
    struct follow f = { .ctl = c, .shown = shown, .first = true };
    if (shown->count)
        f.printed = shown->rows[shown->count - 1].place;
    struct hx_watch *watch = NULL;
    hx_loop_signal(c->loop, SIGINT, interrupted, &f);
    hx_loop_signal(c->loop, SIGTERM, interrupted, &f);
    hx_watch_new(c->loop, STDOUT_FILENO, 0, reader_gone, &f, &watch); /* a file can't be watched, and need not be */
    f.timer = hx_timer_new(c->loop, poll_again, &f);
    hx_timer_set(f.timer, 0);
    int r = hx_loop_run(c->loop);
    hx_watch_free(watch);
    hx_timer_free(f.timer);
    hx_buf_reset(&f.out);
    return r < 0 ? HX_EXIT_SOFTWARE : f.code;
}
