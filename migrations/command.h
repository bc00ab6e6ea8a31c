/* The commands of heimdex-migrate, in one table (command.c). */
#pragma once

#include "common/text.h"
#include "migrations/options.h"
#include "migrations/site.h"
#include "migrations/target.h"

/* Runs a command at one site. word: what belongs to the command, or NULL. What is for stdout is appended to out, a whole
 * document with its newline. Returns the program's exit code; complaints are printed. */
typedef int (*hx_command_fn)(const struct hx_migrate *options, struct hx_site *site, const char *word,
                             struct hx_buf *out);

/* words: the command and what belongs to it. Returns the program's exit code. */
int hx_command_run(const struct hx_migrate *options, char **words, int count);

int hx_command_upgrade(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_downgrade(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_current(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_history(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_heads(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_show(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_stamp(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_check(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
/* site->chain is NULL for these: they load it themselves, to say what is wrong with it, or because it may be empty. */
int hx_command_verify(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);
int hx_command_revision(const struct hx_migrate *, struct hx_site *, const char *word, struct hx_buf *out);

/* What the command's word means at this site, before any database is asked. 0, or 64 after a complaint. */
int hx_command_target(const struct hx_site *site, bool down, const char *word, struct hx_target *ret);
int hx_command_stamp_target(const struct hx_site *site, const char *word, struct hx_target *ret);
