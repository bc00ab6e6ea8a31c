/* Defects of a chain, collected so that one run names all of them, each with its likely cause and what mends it. */
#pragma once

#include "common/text.h"

#include <stddef.h>

struct hx_problem {
    char *what;     /* the kind: "missing parent", "two heads" … */
    char *revision; /* the revision concerned, "" if none */
    char **files;
    size_t file_count;
    unsigned line; /* of the only file; 0: the whole of it */
    char *why;     /* what is wrong, and the likely cause */
    char *mend;    /* a command, or what to do; "" if that is plain */
};

/* A value type: zero-initialise, add, hx_problems_reset. */
struct hx_problems {
    struct hx_problem *items;
    size_t count;
};

/* Everything is copied; revision may be NULL. What is returned is filled in by the calls below, until the next is added. */
struct hx_problem *hx_problem_add(struct hx_problems *problems, const char *what, const char *revision, const char *fmt,
                                  ...) __attribute__((format(printf, 4, 5)));
void hx_problem_file(struct hx_problem *problem, const char *path); /* once for each */
void hx_problem_mend(struct hx_problem *problem, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void hx_problems_reset(struct hx_problems *problems);

/* One line each on stderr, "what: where: why; mend"; service: named first, or NULL. */
void hx_problems_complain(const struct hx_problems *problems, const char *service);
/* "FILE:LINE", or files with ", " between. */
void hx_problem_where(const struct hx_problem *problem, struct hx_buf *out);
/* An array of {"problem","revision","files","advice"}, without a newline. */
void hx_problems_json(const struct hx_problems *problems, struct hx_buf *out);
