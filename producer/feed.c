/* Lines become jobs in the open batch, full batches go to the sender, which has two of them in flight, and the ids of what is
 * durable go to standard output. While PostgreSQL is busy with two batches a third is filled, and no more than that: whoever
 * writes faster than the ledger takes it waits in the pipe. */
#include "producer/feed.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "producer/input.h"
#include "producer/line.h"
#include "producer/progress_bar.h"
#include "producer/session.h"

#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>

/* From a pipe a batch that isn't full waits this long, and only while another is in flight. */
enum { HOLD_MS = 3, OUTPUT_KEPT = 1 << 20 };

/* Outbox rows go with the next batch. When none comes they go after this, before the relay takes them over. */
enum { IDLE_MS = 500 };

struct feed {
    const struct arguments *arguments;
    struct session session;
    struct input *input;
    const char *name; /* of the input, for messages */
    size_t max_payload;
    struct batch *open;
    struct hx_watch *watch; /* while lines are wanted that have to be waited for */
    struct hx_timer *hold, *idle;
    struct progress_bar *bar;
    bool ended; /* nothing more is taken in */
    int exit_code;
    uint64_t accepted, bad;
    int64_t started_ms;
};

/* ---- lines ---- */

static void bad_line(struct feed *f, uint64_t line, const char *why) {
    progress_bar_hide(f->bar);
    hx_complain("%s: line %" PRIu64 ": %s", f->name, line, why);
    f->bad++;
    if (!f->arguments->skip_bad) {
        f->ended = true;
        f->exit_code = HX_EXIT_DATA;
    }
}

static void take_line(struct feed *f, const char *text, size_t n, uint64_t number) {
    char why[LINE_WHY];
    if (line_is_blank(text, n))
        return;
    struct hx_new_job *job = batch_next(f->open);
    if (line_parse(text, n, f->max_payload, &f->open->arena, job, why) < 0) {
        bad_line(f, number, why);
        return;
    }
    job->traceparent = f->arguments->traceparent;
    batch_accept(f->open, number);
}

static void read_more(struct feed *f) {
    int r = input_fill(f->input);
    if (r < 0) {
        progress_bar_hide(f->bar);
        hx_complain("%s: %s", f->name, strerror(-r));
        f->ended = true;
        f->exit_code = HX_EXIT_DATA;
    }
}

/* Until the open batch is full, or there are no more lines for now. */
static void fill(struct feed *f) {
    const char *text;
    size_t n;
    uint64_t number;
    while (!f->ended && !batch_is_full(f->open)) {
        switch (input_line(f->input, &text, &n, &number)) {
        case INPUT_LINE: take_line(f, text, n, number); break;
        case INPUT_LONG:
            bad_line(f, number, "longer than a line with the largest payload (jobs.max_payload) may be");
            break;
        case INPUT_END: f->ended = true; break;
        case INPUT_MORE:
            if (input_is_live(f->input))
                return;
            read_more(f);
            break;
        }
    }
}

/* ---- batches ---- */

/* A full batch goes when there is room in the pipeline. One that isn't full goes when nothing is in flight, so that nobody waits; or
 * a little later, so that a stream of lines doesn't become a stream of tiny transactions. */
static bool may_send(struct feed *f) {
    unsigned pending = sender_pending(f->session.sender);
    if (f->open->n == 0 || pending >= SENDER_DEPTH || output_pending(f->session.output) > OUTPUT_KEPT)
        return false;
    if (f->ended || pending == 0 || batch_is_full(f->open))
        return true;
    int64_t age = hx_mono_ms() - f->open->started_ms;
    if (age >= HOLD_MS)
        return true;
    if (!hx_timer_armed(f->hold))
        hx_timer_set(f->hold, HOLD_MS - age);
    return false;
}

static void on_readable(int fd, uint32_t events, void *user) {
    (void)fd, (void)events;
    read_more(user);
}

/* Watches a live input while there is room for its lines. */
static void listen_for_lines(struct feed *f) {
    bool wanted = input_is_live(f->input) && !f->ended && !batch_is_full(f->open);
    if (!wanted) {
        f->watch = hx_watch_free(f->watch);
    } else if (!f->watch) {
        int r = hx_watch_new(f->session.loop, input_fd(f->input), EPOLLIN, on_readable, f, &f->watch);
        if (r < 0)
            f->session.loop_error = r;
    }
}

static void on_idle(void *user) {
    struct feed *f = user;
    if (sender_pending(f->session.sender) == 0 && announcer_has_delivered(f->session.announcer))
        sender_add(f->session.sender, sender_take_spare(f->session.sender));
}

/* All that can be done without waiting. */
static void pump(struct feed *f) {
    output_flush(f->session.output);
    for (fill(f); may_send(f); fill(f)) {
        sender_add(f->session.sender, f->open);
        f->open = sender_take_spare(f->session.sender);
    }
    listen_for_lines(f);
    if (announcer_has_delivered(f->session.announcer) && !hx_timer_armed(f->idle))
        hx_timer_set(f->idle, IDLE_MS);
}

static void on_hold(void *user) {
    (void)user; /* the next turn looks at everything anyway */
}

static void on_settled(const struct batch *b, void *user) {
    struct feed *f = user;
    for (size_t i = 0; i < b->n; i++)
        if (!b->answers[i].refused) {
            session_print(&f->session, &b->answers[i]);
            f->accepted++;
        }
}

static void on_refused(uint64_t line, const char *why, void *user) {
    bad_line(user, line, why);
}

/* ---- the run ---- */

static void show(struct feed *f) {
    if (!progress_bar_due(f->bar))
        return;
    int64_t ms = HX_MAX(hx_mono_ms() - f->started_ms, (int64_t)1);
    progress_bar_show(f->bar, input_share(f->input), "%" PRIu64 " jobs, %" PRIu64 "/s", f->accepted,
                      f->accepted * 1000 / (uint64_t)ms);
}

static bool is_done(const struct feed *f) {
    return f->ended && f->open->n == 0 && sender_pending(f->session.sender) == 0 &&
           output_pending(f->session.output) == 0;
}

static int run(struct feed *f) {
    f->open = sender_take_spare(f->session.sender);
    f->hold = hx_timer_new(f->session.loop, on_hold, f);
    f->idle = hx_timer_new(f->session.loop, on_idle, f);
    f->bar = progress_bar_new();
    f->started_ms = hx_mono_ms();
    for (pump(f); session_is_well(&f->session) && !is_done(f); pump(f)) {
        session_turn(&f->session);
        show(f);
    }
    f->bar = progress_bar_free(f->bar);
    hx_watch_free(f->watch);
    hx_timer_free(f->hold);
    hx_timer_free(f->idle);
    batch_free(f->open);
    int r = session_complain(&f->session);
    if (r == 0 && f->bad > 0 && f->arguments->skip_bad)
        hx_complain("%s: %" PRIu64 " bad line%s skipped", f->name, f->bad, f->bad == 1 ? "" : "s");
    return r != 0 ? r : f->exit_code;
}

int feed_run(const struct arguments *arguments) {
    struct feed f = { .arguments = arguments,
                      .name = hx_streq(arguments->batch, "-") ? "standard input" : arguments->batch };
    struct session_callbacks callbacks = { .settled = on_settled, .refused = on_refused, .user = &f };
    f.max_payload = (size_t)hx_config_int(arguments->config, HX_JOBS_MAX_PAYLOAD);
    int r = input_open(arguments->batch, f.max_payload + LINE_MARGIN, &f.input);
    if (r < 0) {
        hx_complain("%s: %s", f.name, strerror(-r));
        return HX_EXIT_DATA;
    }
    r = session_open(arguments, &callbacks, &f.session);
    if (r == 0)
        r = run(&f);
    r = session_close(&f.session, r);
    input_free(f.input);
    return r;
}
