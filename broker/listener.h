/* The address the broker listens on. librdkafka's mock cluster binds 127.0.0.1 at a port of the kernel's choosing and tells
 * clients what getsockname says. So this program binds a socket as it wants, and has a bind of its own that puts it in the
 * place of the mock cluster's. */
#pragma once

#include <netinet/in.h>

/* "HOST:PORT": an IPv4 address of this host (or localhost) that clients can reach, port 0 for any. 0, or -EINVAL with
 * *ret_why, a literal. */
int hx_listener_parse(const char *text, struct sockaddr_in *ret, const char **ret_why);
/* Binds the address; the next listener on loopback at any port will be this one. 0, or -errno of socket or bind: EADDRINUSE… */
int hx_listener_open(const struct sockaddr_in *address);
