#include "supervisor/deaths.h"

#include "common/failpoint.h"
#include "common/text.h"

struct deaths {
    struct death *first, **last; /* oldest first */
    int64_t numbers;
    const struct cgroups *cgroups;
};

struct deaths *deaths_new(const struct cgroups *cgroups) {
    struct deaths *ds = hx_alloc(sizeof(*ds));
    ds->last = &ds->first;
    ds->cgroups = cgroups;
    return ds;
}

static void remove_at(struct deaths *ds, struct death **at) {
    struct death *d = *at;
    *at = d->next;
    if (ds->last == &d->next)
        ds->last = at;
    death_free(d);
}

struct deaths *deaths_free(struct deaths *ds) {
    if (!ds)
        return NULL;
    while (ds->first)
        remove_at(ds, &ds->first);
    free(ds);
    return NULL;
}

void deaths_add(struct deaths *ds, struct death *d) {
    d->next = NULL;
    d->number = ++ds->numbers;
    *ds->last = d;
    ds->last = &d->next;
}

int deaths_kill_groups(struct deaths *ds, groups_spare_cb spare, void *user) {
    int alive = 0;
    for (const struct death *d = ds->first; d; d = d->next)
        if (!d->cleared && d->evidence)
            alive += groups_kill(d->evidence, spare, user) + cgroups_end(ds->cgroups, d->generation);
    return alive;
}

void deaths_clear(struct deaths *ds, void (*on_clear)(const struct death *d, void *user), void *user) {
    for (struct death **at = &ds->first; *at;) {
        struct death *d = *at;
        if (!d->cleared && on_clear)
            on_clear(d, user);
        d->cleared = true;
        if (d->worker_id == 0)
            remove_at(ds, at);
        else
            at = &d->next;
    }
}

void deaths_tell(struct deaths *ds, struct hx_channel *scheduler) {
    for (struct death *d = ds->first; d; d = d->next)
        if (d->cleared && !d->sent_to && !HX_FAIL("supervisor.before_handover") &&
            hx_channel_send(scheduler, death_message(d), d->evidence_fd) == 0) {
            d->sent_to = scheduler;
            HX_FAIL_HERE("supervisor.after_handover");
        }
}

void deaths_scheduler_gone(struct deaths *ds, const struct hx_channel *scheduler) {
    for (struct death *d = ds->first; d; d = d->next)
        if (d->sent_to == scheduler)
            d->sent_to = NULL;
}

bool deaths_answered(struct deaths *ds, int64_t number) {
    HX_FAIL_HERE("supervisor.answered");
    for (struct death **at = &ds->first; *at; at = &(*at)->next)
        if ((*at)->number == number && (*at)->cleared) {
            remove_at(ds, at);
            return true;
        }
    return false;
}

size_t deaths_count(const struct deaths *ds) {
    size_t n = 0;
    for (const struct death *d = ds->first; d; d = d->next)
        n++;
    return n;
}

size_t deaths_unsettled(const struct deaths *ds) {
    size_t n = 0;
    for (const struct death *d = ds->first; d; d = d->next)
        n += d->worker_id != 0;
    return n;
}
