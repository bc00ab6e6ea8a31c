/* Rules for values that a range can't say. Each returns NULL when it holds, else what the value must be. */
#pragma once

const char *hx_check_name(const char *text);          /* letters, digits and ._- : what Kafka takes in names */
const char *hx_check_brokers(const char *text);       /* host[:port],… */
const char *hx_check_replication(const char *text);   /* not 0 */
const char *hx_check_property(const char *text);      /* name=value */
const char *hx_check_absolute_path(const char *text); /* that fits a socket address */
const char *hx_check_listen(const char *text);        /* host:port */
const char *hx_check_redis_url(const char *text);
const char *hx_check_http_url(const char *text);
