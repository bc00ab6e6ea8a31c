#include "migrations/statement.h"

#include "common/text.h"
#include "migrations/token.h"

#include <string.h>

struct reader {
    const char *at, *end;
    struct hx_token token; /* the current one, never space or comment */
};

static void next(struct reader *r) {
    do {
        r->token = hx_token_at(r->at, r->end);
        r->at = r->token.text + r->token.size;
    } while (r->token.kind == HX_TOKEN_SPACE || r->token.kind == HX_TOKEN_COMMENT);
}

static struct reader begin(const char *sql) {
    struct reader r = { .at = sql, .end = sql + strlen(sql) };
    next(&r);
    return r;
}

/* Steps over the word where it stands there. */
static bool take(struct reader *r, const char *word) {
    bool there = hx_token_is(&r->token, word);
    if (there)
        next(r);
    return there;
}

static bool has_word(struct reader r, const char *word) {
    for (; r.token.kind != HX_TOKEN_END; next(&r))
        if (hx_token_is(&r.token, word))
            return true;
    return false;
}

/* name, "name", name.name: as it is written, without the space around the dot; the caller frees. */
static char *take_name(struct reader *r) {
    struct hx_buf name = { 0 };
    while (r->token.kind == HX_TOKEN_WORD || r->token.kind == HX_TOKEN_QUOTED) {
        hx_buf_append(&name, r->token.text, r->token.size);
        bool quoted = r->token.kind == HX_TOKEN_QUOTED;
        next(r);
        if (r->token.kind == HX_TOKEN_SIGN && *r->token.text == '.') {
            hx_buf_putc(&name, '.');
            next(r);
        } else if (!(quoted && r->token.kind == HX_TOKEN_QUOTED && r->token.text[-1] == '"')) {
            break; /* a doubled quote reads as two tokens without space between */
        }
    }
    return hx_buf_take(&name);
}

/* --- kinds -------------------------------------------------------------------------------------------------- */

/* r stands behind CREATE [UNIQUE] INDEX CONCURRENTLY. */
static void read_built_index(struct reader *r, struct hx_statement_info *ret) {
    ret->kind = HX_STATEMENT_BUILDS_INDEX;
    if (take(r, "if")) {
        take(r, "not");
        take(r, "exists");
    }
    ret->index = hx_token_is(&r->token, "on") ? hx_strdup("") : take_name(r);
    take(r, "on");
    take(r, "only");
    ret->table = take_name(r);
}

static void read_dropped_index(struct reader *r, struct hx_statement_info *ret) {
    ret->kind = HX_STATEMENT_DROPS_INDEX;
    if (take(r, "if"))
        take(r, "exists");
    ret->index = take_name(r);
}

/* A DO block that commits in between: its body is one quoted token. */
static bool do_commits(struct reader r) {
    for (; r.token.kind != HX_TOKEN_END; next(&r)) {
        if (r.token.kind != HX_TOKEN_QUOTED)
            continue;
        const char *open = memchr(r.token.text + 1, r.token.text[0] == '$' ? '$' : '\'', r.token.size - 1);
        struct reader body = { .at = open ? open + 1 : r.token.text, .end = r.token.text + r.token.size };
        if (r.token.text[0] != '$')
            body.at = r.token.text + 1;
        next(&body);
        if (has_word(body, "commit") || has_word(body, "rollback"))
            return true;
    }
    return false;
}

static bool is_alone(struct reader r) {
    static const char *const firsts[] = { "vacuum", "call", "checkpoint" };
    static const char *const creates[] = { "database", "tablespace", "subscription" };
    for (size_t i = 0; i < HX_ARRAY_LEN(firsts); i++)
        if (hx_token_is(&r.token, firsts[i]))
            return true;
    if (hx_token_is(&r.token, "do"))
        return do_commits(r);
    bool reindex = hx_token_is(&r.token, "reindex"), alter = hx_token_is(&r.token, "alter");
    if (reindex || alter) {
        if (has_word(r, "concurrently"))
            return true;
        next(&r);
        return alter ? hx_token_is(&r.token, "system")
                     : hx_token_is(&r.token, "database") || hx_token_is(&r.token, "system") ||
                           hx_token_is(&r.token, "schema");
    }
    if (!take(&r, "create") && !take(&r, "drop"))
        return false;
    for (size_t i = 0; i < HX_ARRAY_LEN(creates); i++)
        if (hx_token_is(&r.token, creates[i]))
            return true;
    return false;
}

void hx_statement_read(const char *sql, struct hx_statement_info *ret) {
    *ret = (struct hx_statement_info){ .kind = HX_STATEMENT_PLAIN };
    struct reader r = begin(sql), first = r;
    bool creates = take(&r, "create"), drops = !creates && take(&r, "drop");
    if (creates)
        take(&r, "unique");
    if ((creates || drops) && take(&r, "index") && take(&r, "concurrently")) {
        if (creates)
            read_built_index(&r, ret);
        else
            read_dropped_index(&r, ret);
    } else if (hx_token_is(&first.token, "set") || hx_token_is(&first.token, "reset")) {
        ret->kind = HX_STATEMENT_SETTING;
    } else if (is_alone(first)) {
        ret->kind = HX_STATEMENT_ALONE;
    }
}

void hx_statement_info_reset(struct hx_statement_info *info) {
    free(info->index);
    free(info->table);
    *info = (struct hx_statement_info){ 0 };
}

/* --- what can't stand in a revision -------------------------------------------------------------------------- */

static bool controls_transaction(struct reader r) {
    static const char *const controls[] = { "begin",    "start", "commit",    "end",
                                            "rollback", "abort", "savepoint", "release" };
    for (size_t i = 0; i < HX_ARRAY_LEN(controls); i++)
        if (hx_token_is(&r.token, controls[i]))
            return true;
    return take(&r, "prepare") && hx_token_is(&r.token, "transaction");
}

bool hx_statement_streams(const char *sql) {
    struct reader first = begin(sql);
    return hx_token_is(&first.token, "copy") && (has_word(first, "stdin") || has_word(first, "stdout"));
}

const char *hx_statement_forbidden(const char *sql, bool without_transaction) {
    struct reader first = begin(sql);
    if (controls_transaction(first))
        return "a revision is one transaction, which heimdex-migrate begins and commits";
    if (hx_statement_streams(sql))
        return "COPY can't read or write the client's streams here; use INSERT";
    HX_CLEANUP(hx_statement_info_reset) struct hx_statement_info info;
    hx_statement_read(sql, &info);
    bool alone = info.kind != HX_STATEMENT_PLAIN && info.kind != HX_STATEMENT_SETTING;
    if (alone && !without_transaction && !hx_token_is(&first.token, "call"))
        return "this can't run in a transaction: the revision needs the line `-- no-transaction`";
    if (info.kind == HX_STATEMENT_BUILDS_INDEX && !*info.index)
        return "an index that is built concurrently needs a name here, so that an interrupted run can go on";
    return NULL;
}
