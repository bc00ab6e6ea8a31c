#include "lib/config/handler.h"

#include "lib/config/checks.h"

#include "common/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define BUILTIN "mock_process"

enum kind { TEXT, WORDS, DURATION, SIZE, INTEGER, CORES };

enum member {
    TYPE,
    QUEUE,
    EXEC,
    URL,
    SECRET_FILE,
    TIMEOUT,
    MAX_ATTEMPTS,
    BACKOFF_BASE,
    BACKOFF_MAX,
    CONCURRENCY,
    MEMORY_MAX,
    CPU_MAX,
    TASKS_MAX,
    MEMBERS
};

static const struct {
    const char *name;
    enum kind kind;
    int64_t min, max;
    const char *must; /* in words */
    const char *help;
} members[] = {
    [TYPE] = { "type", TEXT, 1, 100, "1-100 bytes of printable text without spaces",
               "The job type; one handler each, over all files." },
    [QUEUE] = { "queue", TEXT, 1, 100, "1-100 letters, digits, '.', '_' and '-'",
                "Chooses the topic its jobs travel in; \"default\" unless set." },
    [EXEC] = { "exec", WORDS, 0, 0, "a list of strings, the first an absolute path", "The program and its arguments." },
    [URL] = { "url", TEXT, 0, 0, "a URL: http://HOST or https://HOST",
              "Where the job is posted; instead of `exec`. Not served yet: it is warned of." },
    [SECRET_FILE] = { "secret_file", TEXT, 0, 0, "an absolute path", "With `url`: the key that signs requests." },
    [TIMEOUT] = { "timeout", DURATION, 1, INT64_C(31536000000), "a duration such as \"30s\", 1ms to 365d",
                  "How long one run may take." },
    [MAX_ATTEMPTS] = { "max_attempts", INTEGER, 1, 1000, "1-1000", "Starts of a job before it is a dead letter." },
    [BACKOFF_BASE] = { "backoff_base", DURATION, 0, INT64_C(2592000000), "a duration such as \"1s\", 0 to 30d",
                       "Pause before the first retry; it doubles with each." },
    [BACKOFF_MAX] = { "backoff_max", DURATION, 0, INT64_C(31536000000), "a duration such as \"10m\", 0 to 365d",
                      "The longest pause between retries." },
    [CONCURRENCY] = { "concurrency", INTEGER, 1, 100000, "1-100000",
                      "Jobs of the type at once, over the whole fleet." },
    [MEMORY_MAX] = { "memory_max", SIZE, 1 << 20, INT64_C(1) << 50, "a size such as \"512M\", 1M to 1024T",
                     "With `exec`: memory of a run; of each of its processes where runs have no control groups." },
    [CPU_MAX] = { "cpu_max", CORES, 0, 4096, "cores, such as 0.5, 0.01-4096",
                  "With `exec`: cores of a run. It needs control groups; where there are none the supervisor warns of "
                  "it." },
    [TASKS_MAX] = { "tasks_max", INTEGER, 1, 1000000, "1-1000000", "With `exec`: processes and threads of a run." },
};
_Static_assert(HX_ARRAY_LEN(members) == MEMBERS, "each member has a row");

/* An entry while it is read. */
struct entry {
    struct hx_config *c;
    const struct hx_source *source;
    const config_setting_t *group;
    struct hx_handler_config handler;
    struct hx_config_error *error;
};

static struct hx_source_line line_of(const struct entry *e, const config_setting_t *setting) {
    return hx_source_where(e->source, config_setting_source_line(setting));
}

static const char *name_of(const struct entry *e) {
    return e->handler.type ? e->handler.type : "(without a type)";
}

static int fail_member(const struct entry *e, const config_setting_t *setting, enum member m, const char *got) {
    struct hx_source_line at = line_of(e, setting);
    return hx_config_fail(e->error, -EINVAL, "%s:%u: Invalid %s of handler %s: %.120s (must be %s)", at.file, at.line,
                          members[m].name, name_of(e), got, members[m].must);
}

static int fail_entry(const struct entry *e, const char *why) {
    struct hx_source_line at = line_of(e, e->group);
    return hx_config_fail(e->error, -EINVAL, "%s:%u: handler %s: %s", at.file, at.line, name_of(e), why);
}

static bool printable(const char *text, bool spaces) {
    for (const char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p) || (!spaces && *p == ' '))
            return false;
    return hx_utf8_valid(text, strlen(text));
}

static const char *copy_text(const struct entry *e, enum member m, const char *text) {
    size_t n = strlen(text);
    bool good = printable(text, m == SECRET_FILE) &&
                (members[m].max == 0 || ((int64_t)n >= members[m].min && (int64_t)n <= members[m].max));
    if (m == QUEUE)
        good = good && !hx_check_name(text);
    if (m == URL)
        good = good && !hx_check_http_url(text);
    if (m == SECRET_FILE)
        good = good && *text == '/';
    return good ? hx_config_copy(e->c, text) : NULL;
}

static int read_text(struct entry *e, const config_setting_t *setting, enum member m) {
    const char *text = config_setting_get_string(setting);
    if (!text)
        return fail_member(e, setting, m, "no string");
    if (m == URL)
        hx_value_redact_url(text);
    const char *copy = copy_text(e, m, text);
    if (!copy)
        return fail_member(e, setting, m, *text ? text : "an empty string");
    if (m == TYPE)
        e->handler.type = copy;
    else if (m == QUEUE)
        e->handler.queue = copy;
    else if (m == URL)
        e->handler.url = copy;
    else
        e->handler.secret_file = copy;
    return 0;
}

static int read_words(struct entry *e, const config_setting_t *setting, enum member m) {
    int type = config_setting_type(setting), n = config_setting_length(setting);
    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
        return fail_member(e, setting, m, "no list");
    if (n == 0)
        return fail_member(e, setting, m, "an empty list");
    const char **words = hx_config_own(e->c, hx_allocn((size_t)n + 1, sizeof *words));
    for (int i = 0; i < n; i++) {
        const char *word = config_setting_get_string_elem(setting, i);
        if (!word || !hx_utf8_valid(word, strlen(word)))
            return fail_member(e, setting, m, "an element that is no string");
        words[i] = hx_config_copy(e->c, word);
    }
    if (words[0][0] != '/')
        return fail_member(e, setting, m, words[0]);
    e->handler.exec = words;
    return 0;
}

static int64_t *integer_field(struct hx_handler_config *h, enum member m) {
    switch (m) {
    case TIMEOUT: return &h->timeout_ms;
    case BACKOFF_BASE: return &h->backoff_base_ms;
    case BACKOFF_MAX: return &h->backoff_max_ms;
    case MEMORY_MAX: return &h->memory_max;
    case TASKS_MAX: return &h->tasks_max;
    default: return NULL;
    }
}

/* Durations and sizes come as strings or, like plain numbers, as integers whose text has the same rules. */
static int read_integer(struct entry *e, const config_setting_t *setting, enum member m) {
    int type = config_setting_type(setting);
    const char *text = config_setting_get_string(setting);
    char number[32] = "no number";
    int64_t value = 0;
    bool integer = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
    if (integer)
        snprintf(number, sizeof number, "%lld", config_setting_get_int64(setting));
    else if (type == CONFIG_TYPE_FLOAT)
        snprintf(number, sizeof number, "%g", config_setting_get_float(setting));
    if (!integer && (!text || members[m].kind == INTEGER))
        return fail_member(e, setting, m, text ? "a string" : number);
    if (!text)
        text = number;
    int r = members[m].kind == DURATION ? hx_duration_parse(text, &value)
            : members[m].kind == SIZE   ? hx_size_parse(text, &value)
                                        : hx_int_parse(text, INT64_MIN, INT64_MAX, &value);
    if (r < 0 || value < members[m].min || value > members[m].max)
        return fail_member(e, setting, m, text);
    int64_t *field = integer_field(&e->handler, m);
    if (field)
        *field = value;
    else if (m == MAX_ATTEMPTS)
        e->handler.max_attempts = (int)value;
    else
        e->handler.concurrency = (int)value;
    return 0;
}

static int read_cores(struct entry *e, const config_setting_t *setting, enum member m) {
    int type = config_setting_type(setting);
    double cores =
        type == CONFIG_TYPE_FLOAT ? config_setting_get_float(setting) : (double)config_setting_get_int64(setting);
    char got[48] = "no number";
    if (config_setting_is_number(setting))
        snprintf(got, sizeof got, "%g", cores);
    if (!config_setting_is_number(setting) || !isfinite(cores) || cores < 0.01 || cores > (double)members[m].max)
        return fail_member(e, setting, m, got);
    e->handler.cpu_max = cores;
    return 0;
}

static int read_member(struct entry *e, const config_setting_t *setting, enum member m) {
    switch (members[m].kind) {
    case TEXT: return read_text(e, setting, m);
    case WORDS: return read_words(e, setting, m);
    case CORES: return read_cores(e, setting, m);
    default: return read_integer(e, setting, m);
    }
}

static int find_member(const struct entry *e, const config_setting_t *setting) {
    const char *name = config_setting_name(setting);
    enum member nearest = 0;
    unsigned least = UINT32_MAX;
    for (enum member m = 0; m < MEMBERS; m++) {
        unsigned distance = hx_edit_distance(name, members[m].name);
        if (distance == 0)
            return (int)m;
        if (distance < least) {
            least = distance;
            nearest = m;
        }
    }
    struct hx_source_line at = line_of(e, setting);
    return hx_config_fail(e->error, -EINVAL, "%s:%u: handler %s: %s: unknown key, did you mean %s?", at.file, at.line,
                          name_of(e), name, members[nearest].name);
}

/* Rules between members. */
static int check_entry(const struct entry *e) {
    const struct hx_handler_config *h = &e->handler;
    for (size_t i = 0; i < e->c->handler_count; i++)
        if (hx_streq(e->c->handlers[i].type, h->type)) {
            _cleanup_free_ char *why = hx_printf("the type has a handler already, at %s", e->c->handler_where[i]);
            return fail_entry(e, why);
        }
    bool builtin = hx_streq(h->type, BUILTIN);
    if (builtin && (h->exec || h->url))
        return fail_entry(e, "is built in: its entry may set limits and the queue, not exec or url");
    if (!builtin && !h->exec && !h->url)
        return fail_entry(e, "needs exec or url");
    if (h->exec && h->url)
        return fail_entry(e, "has exec and url; it can have one");
    if (h->secret_file && !h->url)
        return fail_entry(e, "secret_file goes with url only");
    if (!h->exec && (h->memory_max >= 0 || h->cpu_max >= 0 || h->tasks_max >= 0))
        return fail_entry(e, "memory_max, cpu_max and tasks_max go with exec only");
    return 0;
}

struct hx_handler_config hx_handler_unset(void) {
    return (struct hx_handler_config){
        .queue = "default",
        .timeout_ms = -1,
        .backoff_base_ms = -1,
        .backoff_max_ms = -1,
        .max_attempts = -1,
        .concurrency = -1,
        .memory_max = -1,
        .tasks_max = -1,
        .cpu_max = -1,
    };
}

void hx_handler_append(struct hx_config *c, const struct hx_handler_config *handler, const char *where) {
    c->handlers = hx_config_grow(c, c->handlers, c->handler_count, sizeof *c->handlers);
    c->handler_where = hx_config_grow(c, c->handler_where, c->handler_count, sizeof *c->handler_where);
    c->handler_where[c->handler_count] = hx_config_copy(c, where);
    c->handlers[c->handler_count++] = *handler;
}

int hx_handler_load(struct hx_config *c, const struct hx_source *s, const config_setting_t *group,
                    struct hx_config_error *error) {
    struct entry e = { .c = c, .source = s, .group = group, .handler = hx_handler_unset(), .error = error };
    if (!config_setting_is_group(group))
        return fail_entry(&e, "must be a group: { type = …; … }");
    const config_setting_t *type = config_setting_get_member(group, "type"); /* first: messages name it */
    if (!type)
        return fail_entry(&e, "type is missing");
    int r = read_member(&e, type, TYPE);
    for (int i = 0; r >= 0 && i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem((config_setting_t *)group, (unsigned)i);
        int m = find_member(&e, setting);
        r = m < 0 ? m : m == TYPE ? 0 : read_member(&e, setting, (enum member)m);
    }
    if (r >= 0)
        r = check_entry(&e);
    if (r < 0)
        return r;
    struct hx_source_line at = line_of(&e, group);
    _cleanup_free_ char *where = hx_printf("%s:%u", at.file, at.line);
    hx_handler_append(c, &e.handler, where);
    return 0;
}

/* NULL: nothing. By the file's mode, because whoever checks may not be who runs it. */
static const char *program_trouble(const char *path) {
    struct stat st;
    if (stat(path, &st) < 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "is no file";
    return st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH) ? NULL : "is not executable";
}

const char *hx_handler_unserved(const struct hx_handler_config *handler) {
    return handler->url ? "url: this version serves no jobs by HTTP; they stay queued" : NULL;
}

void hx_handler_check_programs(struct hx_config *c) {
    for (size_t i = 0; i < c->handler_count; i++) {
        const struct hx_handler_config *h = &c->handlers[i];
        const char *trouble = h->exec ? program_trouble(h->exec[0]) : NULL;
        if (trouble)
            hx_config_warn(c, "%s: handler %s: exec: %s: %s", c->handler_where[i], h->type, h->exec[0], trouble);
        if (hx_handler_unserved(h))
            hx_config_warn(c, "%s: handler %s: %s", c->handler_where[i], h->type, hx_handler_unserved(h));
    }
}

void hx_handler_document(struct hx_buf *out) {
    for (enum member m = 0; m < MEMBERS; m++)
        hx_buf_printf(out, "| %s | %s | %s |\n", members[m].name, members[m].must, members[m].help);
}
