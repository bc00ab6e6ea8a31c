/* Handlers of an earlier supervisor of this fleet that outlived it: killed as it was, without anybody to clean up. Their environment
 * names the fleet by its control socket, which one supervisor holds at a time. */
#pragma once

#include <stddef.h>

/* Kills every process of ours, whose environment has HEIMDEX_FLEET=control_socket. Returns how many.
 * To be called when the control socket is ours and before the first child is started. */
size_t leftovers_kill(const char *control_socket);
