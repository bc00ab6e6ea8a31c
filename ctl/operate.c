#include "ctl/operate.h"

#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/output.h"

#include <pwd.h>
#include <stdlib.h>

enum { BATCH = 500 };

static int by_id(const void *a, const void *b) {
    return hx_uuid_cmp(&((const struct verdict *)a)->id, &((const struct verdict *)b)->id);
}

static struct verdict *find(const struct verdicts *v, const struct hx_uuid *id) {
    struct verdict key = { .id = *id };
    return bsearch(&key, v->list, v->count, sizeof key, by_id);
}

int verdicts_init(struct ctl *c, struct verdicts *v) {
    *v = (struct verdicts){ .list = hx_allocn((size_t)c->word_count, sizeof *v->list) };
    for (int i = 0; i < c->word_count; i++) {
        if (hx_uuid_parse(c->words[i], &v->list[i].id) < 0) {
            hx_complain("%s: %s: must be a UUID", c->command->name, c->words[i]);
            verdicts_reset(v);
            return HX_EXIT_USAGE;
        }
    }
    qsort(v->list, (size_t)c->word_count, sizeof *v->list, by_id);
    for (int i = 0; i < c->word_count; i++)
        if (!i || !hx_uuid_eq(&v->list[i].id, &v->list[v->count - 1].id))
            v->list[v->count++] = v->list[i];
    return 0;
}

void verdicts_reset(struct verdicts *v) {
    free(v->list);
    *v = (struct verdicts){ 0 };
}

char *operate_reason(const struct ctl *c) {
    if (c->args.reason)
        return hx_strdup(c->args.reason);
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *us = sudo && *sudo ? NULL : getpwuid(getuid());
    return hx_printf("heimdexctl %s by %s", c->command->name,
                     us              ? us->pw_name
                     : sudo && *sudo ? sudo
                                     : "an unknown user");
}

/* ---- the transactions ---- */

struct batch {
    const struct operation *operation;
    struct verdicts *verdicts;
    const struct hx_uuid *ids;
    size_t n;
    const char *reason;
    int statement;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct batch *b = user;
    b->statement = b->operation->add(tx, b->ids, b->n, b->reason);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct batch *b = user;
    for (int i = 0; i < hx_pg_rows(tx, b->statement); i++) {
        struct hx_uuid id = hx_pg_get_uuid(tx, b->statement, i, 0);
        struct verdict *v = find(b->verdicts, &id);
        if (!v)
            continue;
        v->found = hx_status_parse(hx_pg_get_text(tx, b->statement, i, 1, NULL), &v->was) == 0;
        v->stopping = b->operation->stopping && hx_pg_get_bool(tx, b->statement, i, 2);
    }
}

static void judge(const struct operation *operation, struct verdict *v) {
    if (v->found) {
        operation->judge(v);
    } else {
        v->code = HX_EXIT_NO;
        v->says = "no such job";
    }
}

int operate(struct ctl *c, const struct operation *operation, struct verdicts *v) {
    const struct query query = { operation->name, add, take_rows };
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(v->count, sizeof *ids);
    _cleanup_free_ char *reason = operate_reason(c);
    for (size_t i = 0; i < v->count; i++)
        ids[i] = v->list[i].id;
    int code = 0;
    for (size_t at = 0; at < v->count && !code; at += BATCH) {
        struct batch b = { .operation = operation, .verdicts = v, .ids = ids + at, .reason = reason };
        b.n = HX_MIN(v->count - at, (size_t)BATCH);
        code = connection_run(c, &query, &b);
    }
    for (size_t i = 0; i < v->count && !code; i++)
        judge(operation, &v->list[i]);
    return code;
}

/* ---- the report ---- */

static json_t *as_json(const struct verdict *v) {
    char id[HX_UUID_SIZE];
    hx_uuid_format(&v->id, id);
    json_t *object = json_object();
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "ok", json_boolean(v->code == 0));
    json_object_set_new(object, "was", v->found ? json_string(hx_status_name(v->was)) : json_null());
    json_object_set_new(object, "message", json_string(v->says));
    return object;
}

int verdicts_report(struct ctl *c, const struct verdicts *v) {
    json_t *array = json_array();
    _cleanup_buf_ struct hx_buf out = { 0 };
    int worst = 0;
    for (int i = 0; i < c->word_count; i++) {
        struct hx_uuid id;
        hx_uuid_parse(c->words[i], &id);
        const struct verdict *one = find(v, &id);
        worst = HX_MAX(worst, one->code);
        if (c->args.json)
            json_array_append_new(array, as_json(one));
        else if (one->code)
            hx_complain("%s: %s: %s", c->command->name, c->words[i], one->says);
        else
            hx_buf_printf(&out, "%s %s\n", c->words[i], one->says);
    }
    if (c->args.json)
        return output_json(array, worst);
    json_decref(array);
    return output_end(&out, worst);
}
