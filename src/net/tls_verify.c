/* Takes out of a certificate what tls_identity.c and the pins judge. */
#include "tls_int.h"

#include "tls_identity.h"
#include "net/tls_ctx.h"
#include "net/tls_client.h"

#include <openssl/x509v3.h>

#define OID_BYTES 32

static struct slice slice_of_string(const ASN1_STRING *s)
{
    return (struct slice){(const char *)ASN1_STRING_get0_data(s),
                          (size_t)ASN1_STRING_length(s)};
}

/* An otherName of one of our two kinds and of the right string type. */
static bool read_other_name(const OTHERNAME *other, struct tls_name *name)
{
    char oid[OID_BYTES];
    int type = other->value->type;

    if (OBJ_obj2txt(oid, sizeof(oid), other->type_id, 1) <= 0)
        return false;
    if (strcmp(oid, "1.3.6.1.5.5.7.8.7") == 0 && type == V_ASN1_IA5STRING)
        name->kind = TLS_NAME_SRV;
    else if (strcmp(oid, "1.3.6.1.5.5.7.8.5") == 0 && type == V_ASN1_UTF8STRING)
        name->kind = TLS_NAME_XMPP;
    else
        return false;
    name->value = slice_of_string(other->value->value.asn1_string);
    return true;
}

static bool tls_verify_read_name(const GENERAL_NAME *from,
                                 struct tls_name *name)
{
    if (from->type == GEN_OTHERNAME)
        return read_other_name(from->d.otherName, name);
    if (from->type == GEN_DNS) {
        name->kind = TLS_NAME_DNS;
        name->value = slice_of_string(from->d.dNSName);
        return ASN1_STRING_type(from->d.dNSName) == V_ASN1_IA5STRING;
    }
    if (from->type == GEN_IPADD) {
        name->kind = TLS_NAME_IP;
        name->value = slice_of_string(from->d.iPAddress);
        return true;
    }
    return false;
}

/* The subject's CN is never asked (RFC 9525, section 2). */
bool tls_verify_identity(X509 *certificate, const char *domain,
                         tls_same_domain_fn *is_same, bool is_constrained)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool matches = false;
    int i;

    for (i = 0; !matches && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *from = sk_GENERAL_NAME_value(names, i);
        struct tls_name name;

        if (is_constrained && from->type == GEN_OTHERNAME)
            continue;
        if (tls_verify_read_name(from, &name))
            matches = tls_identity_matches(domain, &name, is_same);
    }
    GENERAL_NAMES_free(names);
    return matches;
}

bool tls_verify_is_constrained(const STACK_OF(X509) * chain)
{
    int i;

    for (i = 1; i < sk_X509_num(chain); i++)
        if (X509_get_ext_by_NID(sk_X509_value(chain, i), NID_name_constraints,
                                -1) >= 0)
            return true;
    return false;
}

/* --- Pins --- */

/* Of the server's own certificate: who pins an authority's key wants
 * ca_file, which also proves that the authority signed. */
bool tls_verify_pins(X509 *certificate, const struct tls_pin *pins, size_t n)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool is_pinned = false;
    size_t i;

    if (len <= 0)
        return false;
    if (EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, sum, NULL) == 1)
        for (i = 0; i < n && !is_pinned; i++)
            is_pinned = memcmp(sum, pins[i].sha256, TLS_PIN_BYTES) == 0;
    OPENSSL_free(der);
    return is_pinned;
}
