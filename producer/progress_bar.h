/* One line on stderr that shows how far it is, on a terminal only. All functions take NULL: no terminal, no bar. */
#pragma once

#include <stdbool.h>

struct progress_bar;

/* NULL unless stderr is a terminal that can do it. */
struct progress_bar *progress_bar_new(void);
/* Clears the line. Returns NULL. */
struct progress_bar *progress_bar_free(struct progress_bar *bar);
/* True when it is time to show something again: ten times a second. */
bool progress_bar_due(const struct progress_bar *bar);
/* share: 0 to 1, or negative where it can't be known. */
void progress_bar_show(struct progress_bar *bar, double share, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes the line free for a message. */
void progress_bar_hide(struct progress_bar *bar);
