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

struct leaf {
    const char *common_name;
    const char *names; /* subjectAltName as OpenSSL's x509v3_config says it,
                          NULL: none */
    bool is_expired;
};

struct leaf_files {
    char certificate[128];
    char key[128];
};

void authority_issue(struct authority *a, const struct leaf *leaf,
                     struct leaf_files *out);

#endif /* UNIT_TLS_AUTHORITY_H */
