/* The control socket of this host's supervisor. */
#pragma once

#include "lib/json/json.h"

#include <stdint.h>

/* Asks one question, a line of JSON; *ret is the answer, an object that the caller lets go of. 0; -ENOENT or -ECONNREFUSED: no supervisor
 * runs; -EACCES; -ETIMEDOUT: it is silent; -EPROTO: the answer makes no sense; another -errno. */
int control_ask(const char *path, const char *question, int64_t timeout_ms, json_t **ret);
/* What such an error means for people, in words behind the path; never NULL. */
const char *control_trouble(int error);
