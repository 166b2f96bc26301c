#include "bosh_key.h"

#include "base/digest.h"
#include "base/secret.h"
#include "rid.h"

#include <stdlib.h>

#define KEY_BYTES DIGEST_SHA1_HEX
/* As many as can be repeated: those in the window and those cached. */
#define KEPT (2 * RID_REQUESTS_MAX)

struct key {
    uint64_t rid;
    uint8_t len; /* 0: that request had none */
    char text[KEY_BYTES];
};

struct bosh_keys {
    bool is_armed;            /* the next request needs a key */
    char expected[KEY_BYTES]; /* its SHA-1, in lower case */
    struct key kept[KEPT];
};

void bosh_keys_free(struct bosh_keys *keys)
{
    if (keys == NULL)
        return;
    secret_wipe(keys, sizeof(*keys));
    free(keys);
}

/* Forty hexadecimal digits, in lower case.  False: it is no key (D09). */
static bool bosh_key_lower(char out[KEY_BYTES], struct slice key)
{
    size_t i;

    if (key.len != KEY_BYTES)
        return false;
    for (i = 0; i < KEY_BYTES; i++) {
        char c = key.at[i];

        if (c >= 'A' && c <= 'F')
            c = (char)(c + 32);
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        out[i] = c;
    }
    return true;
}

bool bosh_key_fits(const struct bosh_keys *keys, struct slice key)
{
    char ignored[KEY_BYTES];
    char hash[KEY_BYTES + 1];

    if (keys == NULL || !keys->is_armed)
        return true;
    if (!bosh_key_lower(ignored, key))
        return false;
    /* The characters are hashed as they came; only the comparison does not
     * look at their case (D03, T16). */
    if (digest_sha1_hex(hash, key) != ERR_OK)
        return false;
    return secret_equal((struct slice){hash, KEY_BYTES},
                        (struct slice){keys->expected, KEY_BYTES});
}

/* Kept in any case, so that a repeat can be told from a guess. */
static void bosh_key_keep(struct bosh_keys *keys, uint64_t rid,
                          struct slice key)
{
    struct key *place = &keys->kept[rid % KEPT];

    place->rid = rid;
    place->len = key.len == KEY_BYTES ? KEY_BYTES : 0;
    if (place->len > 0)
        memcpy(place->text, key.at, KEY_BYTES);
}

bool bosh_key_take(struct bosh_keys **keys, uint64_t rid, struct slice key,
                   struct slice newkey)
{
    struct bosh_keys *k = *keys;

    if (!bosh_key_fits(k, key))
        return false;
    if (k == NULL && newkey.at == NULL)
        return true;
    if (k == NULL) {
        k = *keys = calloc(1, sizeof(*k));
        if (k == NULL)
            return false;
    }
    bosh_key_keep(k, rid, key);
    /* The reference for the next one: newkey, else this key (D02, D05). */
    if (newkey.at != NULL) {
        k->is_armed = true;
        return bosh_key_lower(k->expected, newkey);
    }
    return !k->is_armed || bosh_key_lower(k->expected, key);
}

bool bosh_key_repeats(const struct bosh_keys *keys, uint64_t rid,
                      struct slice key)
{
    const struct key *kept;

    if (keys == NULL)
        return true;
    kept = &keys->kept[rid % KEPT];
    if (kept->rid != rid)
        return true; /* before the sequence began, or parked: later */
    return secret_equal((struct slice){kept->text, kept->len}, key);
}
