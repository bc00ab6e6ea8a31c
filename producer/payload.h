/* --payload JSON|@FILE|- */
#pragma once

#include "common/text.h"

/* Fills *ret with the payload, checked and without white space around it. -1 to go on, or an exit code after a complaint. */
int payload_load(const char *option, size_t max, struct hx_buf *ret);
