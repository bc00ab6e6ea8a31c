/* How the supervisor and its children talk: a SOCK_SEQPACKET pair, one JSON object a packet, at most one descriptor beside it.
 *
 * A child finds its ends by its command line: --channel-fd 4 (this), --evidence-fd 3 (common/evidence.h), --config-fd 5 (the
 * packed configuration in a sealed memfd), with --slot N, --incarnation UUID (the supervisor's run) and --instance NAME; a worker that
 * has a control group by --cgroup-fd 6 (supervisor/cgroups.h).
 *
 * child -> supervisor
 *   {"op":"ready"}                                  it can do its work: a worker can claim, a scheduler can reach PostgreSQL
 *   {"op":"waiting","why":"PostgreSQL at …","detail":"Connection refused"}
 *                                                   it can't now, what it waits for, and why that is; for STATUS=
 *   {"op":"without","why":"Kafka at …"}             it can, but that is away; without why: it is back
 *   {"op":"fatal","why":"…"}                        it is about to end with HX_EXIT_CONFIG, and why
 *   {"op":"answered","death":7}                     (scheduler) that death is settled in the ledger
 * supervisor -> child
 *   {"op":"retire"}                                 (worker) claim nothing more, finish what runs, however long, then end
 *   {"op":"drain","within_ms":30000}                (worker) the same, but end what still runs after this long
 *   {"op":"lease","ms":5000}                        (worker) show that you live as often as this lease needs
 *   {"op":"hurry"}                                  (worker) end what runs
 *   {"op":"death","death":7,"worker":12,"slot":0,"pid":4711,"code":"SIGSEGV","message":"…","detail":{…}} + evidence memfd
 *                                                   (scheduler) reap it; repeated to the next scheduler until answered
 * SIGTERM to a child means drain, within the time that its configuration or an earlier `drain` says; the end of the channel means that the supervisor is gone. */
#pragma once

#include "common/loop.h"
#include "lib/json/json.h"

#define HX_FD_EVIDENCE 3
#define HX_FD_CHANNEL 4
#define HX_FD_CONFIG 5
#define HX_FD_CGROUP 6 /* a worker's; the guard's is the supervisor's own */

struct hx_channel;

/* message is borrowed; fd (or -1) is the callback's to close. message NULL: the other end is gone; it comes once, last. */
typedef void (*hx_channel_cb)(struct hx_channel *channel, const json_t *message, int fd, void *user);

/* Two connected ends, CLOEXEC, non-blocking. 0 or -errno. */
int hx_channel_pair(int ret_fds[2]);
/* Takes the descriptor over. */
int hx_channel_new(struct hx_loop *loop, int fd, hx_channel_cb cb, void *user, struct hx_channel **ret);
/* Closes. NULL is fine; returns NULL; allowed in the callback. */
struct hx_channel *hx_channel_free(struct hx_channel *channel);
/* Sends at once or queues while the other end is slow. Takes over the reference to message; fd (or -1) is duplicated.
 * 0, or -EPIPE when the other end is gone. */
int hx_channel_send(struct hx_channel *channel, json_t *message, int fd);
/* Sends {"op":op,"why":why,"detail":detail} without the members that are NULL. channel may be NULL: nobody is told. */
void hx_channel_tell(struct hx_channel *channel, const char *op, const char *why, const char *detail);
/* Delivers what has come in already, without waiting for the loop's next round: the last words of a child that was just reaped.
 * The callback may free the channel. */
void hx_channel_read(struct hx_channel *channel);
