#include "common/failpoint.h"

#ifdef HX_FAILPOINTS

#include "common/cleanup.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum { POINTS_MAX = 128, NAME_MAX_LEN = 95 };

enum action { KILL, ABORT, EXIT, FREEZE, DELAY, ERROR, ACTIONS };

static const struct {
    const char *name;
    bool has_value;
} actions[] = {
    [KILL] = { "kill", false },     [ABORT] = { "abort", false }, [EXIT] = { "exit", true },
    [FREEZE] = { "freeze", false }, [DELAY] = { "delay", true },  [ERROR] = { "error", false },
};
_Static_assert(HX_ARRAY_LEN(actions) == ACTIONS, "each action has its row");

struct point {
    char name[NAME_MAX_LEN + 1];
    enum action action;
    int64_t value;      /* EXIT: the code, DELAY: ms */
    int64_t only, hits; /* only: 0 for every time */
};

static struct {
    bool started;
    struct point points[POINTS_MAX];
    size_t n;
    const char *once;
    int log; /* -1: none */
} fail = { .log = -1 };

/* ---- the environment ---- */

static bool is_name(const char *text) {
    size_t n = strlen(text);
    return n > 0 && n <= NAME_MAX_LEN && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.") == n &&
           strchr(text, '.');
}

/* "ACTION[=VALUE][@N]"; why it isn't, or NULL. */
static const char *read_order(char *text, struct point *p) {
    char *number = strchr(text, '@');
    if (number) {
        *number++ = '\0';
        if (hx_int_parse(number, 1, INT64_MAX, &p->only) < 0)
            return "@N: must be a number from 1 on";
    }
    char *value = strchr(text, '=');
    if (value)
        *value++ = '\0';
    for (p->action = 0; p->action < ACTIONS && !hx_streq(text, actions[p->action].name);)
        p->action++;
    if (p->action == ACTIONS)
        return "must be kill, abort, exit=CODE, freeze, delay=TIME or error";
    if (!value != !actions[p->action].has_value)
        return value ? "takes no value" : "needs a value";
    if (p->action == EXIT && hx_int_parse(value, 0, 255, &p->value) < 0)
        return "exit: must be a code from 0 to 255";
    if (p->action == DELAY && hx_duration_parse(value, &p->value) < 0)
        return "delay: must be a time such as 200ms";
    return NULL;
}

/* "[PROGRAM/]NAME:ORDER". Points of other programs are read, and forgotten. */
static const char *read_point(char *text, struct point *ret, bool *ret_ours) {
    char *order = strchr(text, ':'), *name = strchr(text, '/');
    if (!order)
        return "must be NAME:ACTION";
    *order++ = '\0';
    *ret_ours = true;
    if (name) {
        *name++ = '\0';
        *ret_ours = hx_streq(text, program_invocation_short_name);
    } else {
        name = text;
    }
    if (!is_name(name))
        return "must be a point's name, as OBJECT.MOMENT";
    hx_strcopy(ret->name, sizeof ret->name, name);
    return read_order(order, ret);
}

static int read_points(const char *list) {
    while (*list) {
        size_t n = strcspn(list, ",");
        _cleanup_free_ char *text = hx_strndup(list, n), *said = hx_strdup(text);
        struct point point = { 0 };
        bool ours;
        const char *why = read_point(text, &point, &ours);
        if (!why && fail.n == POINTS_MAX)
            why = "too many points";
        if (why) {
            hx_complain("environment HEIMDEX_FAIL: %s: %s", said, why);
            return HX_EXIT_CONFIG;
        }
        if (ours)
            fail.points[fail.n++] = point;
        list += n + (list[n] == ',');
    }
    return 0;
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

int hx_fail_start(void) {
    if (fail.started)
        return 0;
    fail.started = true;
    fail.once = variable("HEIMDEX_FAIL_ONCE");
    const char *log = variable("HEIMDEX_FAIL_LOG"), *list = variable("HEIMDEX_FAIL");
    if (log && (fail.log = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) {
        hx_complain("environment HEIMDEX_FAIL_LOG: %s: %s", log, strerror(errno));
        return HX_EXIT_CONFIG;
    }
    return list ? read_points(list) : 0;
}

static void start_late(void) {
    int code = hx_fail_start();
    if (code)
        _exit(code);
}

/* ---- a hit ---- */

static void note(const char *name, const struct point *done) {
    if (fail.log < 0)
        return;
    _cleanup_free_ char *line = hx_printf("%s %d %s%s%s\n", program_invocation_short_name, (int)getpid(), name,
                                          done ? " " : "", done ? actions[done->action].name : "");
    if (write(fail.log, line, strlen(line)) < 0) /* a test that misses the line fails */
        return;
}

static bool is_first(const struct point *p) {
    if (!fail.once)
        return true;
    _cleanup_free_ char *path = hx_printf("%s.%s.%s", fail.once, p->name, actions[p->action].name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void stand_still(int64_t ms) {
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

static bool act(const struct point *p) {
    switch (p->action) {
    case KILL: kill(getpid(), SIGKILL); break;
    case ABORT: abort();
    case EXIT: _exit((int)p->value);
    case FREEZE: kill(getpid(), SIGSTOP); break;
    case DELAY: stand_still(p->value); break;
    case ERROR:
    case ACTIONS: break;
    }
    return p->action == ERROR;
}

bool hx_fail_hit(const char *name) {
    bool failed = false, done = false;
    start_late();
    for (size_t i = 0; i < fail.n; i++) {
        struct point *p = &fail.points[i];
        if (!hx_streq(p->name, name) || (++p->hits != p->only && p->only) || !is_first(p))
            continue;
        done = true;
        note(name, p); /* before: there may be no afterwards */
        failed |= act(p);
    }
    if (!done)
        note(name, NULL);
    return failed;
}

static void join(char out[NAME_MAX_LEN + 1], const char *object, const char *moment) {
    snprintf(out, NAME_MAX_LEN + 1, "%s.%s", object, moment);
    for (char *c = out; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_.", *c))
            *c = '_';
}

bool hx_fail_hit_at(const char *object, const char *moment) {
    char name[NAME_MAX_LEN + 1];
    join(name, object, moment);
    return hx_fail_hit(name);
}

bool hx_fail_armed_at(const char *object, const char *moment) {
    char name[NAME_MAX_LEN + 1];
    start_late();
    if (!fail.n)
        return false;
    join(name, object, moment);
    for (size_t i = 0; i < fail.n; i++)
        if (hx_streq(fail.points[i].name, name))
            return true;
    return false;
}

#endif
