/* A directory that programs are not to read: the rules for it (common/landlock.h), kept for as long as they would come out the same. */
#pragma once

struct hx_hidden;

/* The directory is copied; NULL or "": there is nothing to hide. */
struct hx_hidden *hx_hidden_new(const char *directory);
struct hx_hidden *hx_hidden_free(struct hx_hidden *hidden);
/* Rules as hx_landlock_hide would make them now. A descriptor that stays ours and is good until the next call, or -errno as there; -ENOENT
 * for NULL. */
int hx_hidden_rules(struct hx_hidden *hidden);
