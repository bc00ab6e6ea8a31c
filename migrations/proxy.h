/* Pooling proxies: behind one that gives each transaction another session there is no session to hold a lock. */
#pragma once

#include "migrations/database.h"

/* 0, or HX_EXIT_CONFIG after a complaint. Where the server's process is the one we
 * connected to there is no proxy. Else two connections tell: one that is given the session of the other, or another one
 * from transaction to transaction, is pooled by transaction; by session is fine. */
int hx_proxy_refuse(struct hx_database *database);
