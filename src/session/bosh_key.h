/*
 * bosh_key.h - the key sequence that protects a BOSH session on plain HTTP
 * (XEP-0124 section 15; conformance D01-D10).  Pure.
 *
 * A client that knows the sequence sends keys k(n), k(n-1), … each of which
 * is the SHA-1 of the next.  Verified in rid order, when a request's turn
 * comes; a repeat must carry the very key that its rid carried (D06, D07).
 */
#ifndef SESSION_BOSH_KEY_H
#define SESSION_BOSH_KEY_H

#include "base/base.h"

struct bosh_keys; /* NULL while the client uses none: costs nothing */

void bosh_keys_free(struct bosh_keys *keys);

/*
 * The request of that rid has its turn.  key and newkey: at NULL when absent.
 * *keys is made when the first newkey comes.  False: the key is missing or
 * wrong, or a newkey is no key (D04), or memory ran out: the session ends.
 */
MUST_CHECK bool bosh_key_take(struct bosh_keys **keys, uint64_t rid,
                              struct slice key, struct slice newkey);

/* Would the next request in order pass with this key?  Nothing changes. */
bool bosh_key_fits(const struct bosh_keys *keys, struct slice key);

/* A repeat of that rid carries the key that the first one carried. */
bool bosh_key_repeats(const struct bosh_keys *keys, uint64_t rid,
                      struct slice key);

#endif /* SESSION_BOSH_KEY_H */
