/* The worker's two connections to PostgreSQL: they are there unless the test says otherwise. */
#pragma once

#include "tests/unit/worker/fake_tx.h"

struct hx_pg {
    const char *name;
};

static struct hx_pg work_pg = { "work" }, side_pg = { "side" };

int hx_pg_new(struct hx_loop *loop, const struct hx_pg_options *options, hx_pg_state_cb cb, void *user,
              struct hx_pg **ret) {
    (void)loop, (void)cb, (void)user;
    bool side = hx_streq(options->application_name, "heimdex-worker-side");
    assert_true(side || hx_streq(options->application_name, "heimdex-worker-0-00000000"));
    assert_int_equal(options->pause_max_ms, HX_MIN(settings[HX_WORKER_LEASE] / 4, (int64_t)5000));
    *ret = side ? &side_pg : &work_pg;
    return 0;
}

static bool work_away, side_away;

bool hx_pg_connected(const struct hx_pg *pg) {
    return pg == &work_pg ? !work_away : !side_away;
}

char *hx_pg_server(struct hx_pg *pg) {
    return hx_printf("PostgreSQL at %s", pg->name);
}

const char *hx_pg_error_reason(const struct hx_pg_error *error) {
    return error->message;
}

struct hx_pg *hx_pg_free(struct hx_pg *pg) {
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < pending_count && !more; i++)
            if (pending[i]->pg == pg) {
                more = true;
                refuse(pending[i], HX_PG_UNAVAILABLE, "");
            }
    }
    return NULL;
}
