/*
 * tls_authority.h - a small certificate authority for tests: makes keys and
 * certificates as PEM files in a directory of its own.
 */
#ifndef UNIT_TLS_AUTHORITY_H
#define UNIT_TLS_AUTHORITY_H

#include "base/base.h"

struct authority;

/* Makes a new root of this name in a new directory under /tmp. */
struct authority *authority_new(const char *name);
void authority_free(struct authority *a); /* removes the files */

/* The root's certificate, as a ca_file. */
const char *authority_file(const struct authority *a);

/* "sha256/…" of the root's key. */
void authority_pin(const struct authority *a, char pin[52]);

struct leaf {
    const char *common_name;
    const char *names; /* subjectAltName as OpenSSL's x509v3_config says it,
                          NULL: none */
    struct slice raw_names; /* the same in DER, when names is NULL */
    const char *usage;      /* extendedKeyUsage; NULL: none */
    const char *key_usage;  /* keyUsage; NULL: none */
    long lives_s;           /* from now on; 0: a day */
    bool is_expired;
    bool is_future;
    bool is_self_signed;
    /* Signed by an authority below the root that has these name constraints
     * ("": none); NULL: by the root itself. */
    const char *constraints;
    bool hides_authority; /* that one is not shown */
};

struct leaf_files {
    char certificate[128];
    char key[128];
    char pin[52]; /* "sha256/…" of the key */
};

/* A new key and certificate. */
void authority_issue(struct authority *a, const struct leaf *leaf,
                     struct leaf_files *out);

#endif /* UNIT_TLS_AUTHORITY_H */
