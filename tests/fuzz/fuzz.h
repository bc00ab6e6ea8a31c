/* What the fuzz targets share. A target is one function that eats any bytes: by clang it runs under libFuzzer (scripts/fuzz), by every
 * other build under replay.c, which feeds it the files of its corpus. Not crashing is the least of it: each target says with must()
 * what has to hold for whatever came in. */
#pragma once

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Optional: once, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define must(condition) ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))

/* A property does not hold: says which, and aborts, so that the input is kept. */
static inline _Noreturn void fuzz_broken(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
    abort();
}

/* The bytes as a C string, up to the first NUL among them; the caller frees. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
    return hx_strndup((const char *)data, size);
}

/* A new folder in $TMPDIR, else /tmp; the caller removes it and frees. */
static inline char *fuzz_folder(void) {
    const char *parent = getenv("TMPDIR");
    char *path = hx_printf("%s/heimdex-fuzz-XXXXXX", parent ? parent : "/tmp");
    must(mkdtemp(path));
    return path;
}

/* Takes one byte off the input; 0 where there is none. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size) {
    if (*size == 0)
        return 0;
    --*size;
    return *(*data)++;
}
