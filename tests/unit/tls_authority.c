#include "tls_authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

#define DAY_S     86400
#define FILES_MAX 800

struct authority {
    char directory[64];
    char file[128];
    EVP_PKEY *key;
    X509 *root;
    char files[FILES_MAX][128];
    unsigned n_files;
    long serial;
};

static void remember(struct authority *a, char out[128], const char *kind)
{
    assert_true(a->n_files < FILES_MAX);
    snprintf(out, 128, "%s/%ld.%s", a->directory, a->serial, kind);
    memcpy(a->files[a->n_files++], out, 128);
}

static void write_certificate(const char *path, X509 *certificate)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer: NULL: itself. */
static X509 *make(struct authority *a, EVP_PKEY *key, const char *common_name,
                  X509 *issuer, long from_s, long until_s)
{
    X509 *certificate = X509_new();
    X509_NAME *name;

    assert_non_null(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++a->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
    X509_set_pubkey(certificate, key);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate,
                         issuer != NULL ? X509_get_subject_name(issuer) : name);
    return certificate;
}

struct authority *authority_new(const char *name)
{
    struct authority *a = calloc(1, sizeof(*a));
    X509 *root;

    assert_non_null(a);
    snprintf(a->directory, sizeof(a->directory), "/tmp/doab-test-XXXXXX");
    assert_non_null(mkdtemp(a->directory));
    a->key = EVP_EC_gen("P-256");
    assert_non_null(a->key);
    root = make(a, a->key, name, NULL, -DAY_S, DAY_S);
    extend(root, root, NID_basic_constraints, "critical,CA:TRUE");
    extend(root, root, NID_key_usage, "critical,keyCertSign");
    assert_true(X509_sign(root, a->key, EVP_sha256()) > 0);
    a->root = root;
    remember(a, a->file, "root");
    write_certificate(a->file, root);
    return a;
}

void authority_free(struct authority *a)
{
    unsigned i;

    for (i = 0; i < a->n_files; i++)
        unlink(a->files[i]);
    rmdir(a->directory);
    X509_free(a->root);
    EVP_PKEY_free(a->key);
    free(a);
}

const char *authority_file(const struct authority *a)
{
    return a->file;
}

/* subjectAltName in DER, for what OpenSSL would not write. */
static void extend_raw(X509 *certificate, struct slice der)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    assert_int_equal(ASN1_OCTET_STRING_set(
                         octets, (const unsigned char *)der.at, (int)der.len),
                     1);
    extension =
        X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, octets);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
}

static X509 *make_intermediate(struct authority *a, EVP_PKEY *key,
                               const char *constraints)
{
    X509 *below = make(a, key, "Intermediate", a->root, -DAY_S, DAY_S);

    extend(below, a->root, NID_basic_constraints, "critical,CA:TRUE");
    extend(below, a->root, NID_key_usage, "critical,keyCertSign");
    if (constraints[0] != '\0')
        extend(below, a->root, NID_name_constraints, constraints);
    assert_true(X509_sign(below, a->key, EVP_sha256()) > 0);
    return below;
}

static void write_key(const char *path, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL),
                     1);
    fclose(file);
}

static void describe_pin(X509 *certificate, char pin[52])
{
    unsigned char *der = NULL;
    unsigned char sum[EVP_MAX_MD_SIZE];
    int len = i2d_PUBKEY(X509_get0_pubkey(certificate), &der);

    assert_true(len > 0);
    assert_int_equal(
        EVP_Digest(der, (size_t)len, sum, NULL, EVP_sha256(), NULL), 1);
    memcpy(pin, "sha256/", 7);
    EVP_EncodeBlock((unsigned char *)pin + 7, sum, 32);
    OPENSSL_free(der);
}

void authority_pin(const struct authority *a, char pin[52])
{
    describe_pin(a->root, pin);
}

static X509 *make_leaf(struct authority *a, const struct leaf *leaf,
                       EVP_PKEY *key, X509 *issuer)
{
    long from_s = leaf->is_future ? DAY_S / 2 : -2 * DAY_S;
    long lives_s = leaf->lives_s > 0 ? leaf->lives_s : DAY_S;
    X509 *certificate =
        make(a, key, leaf->common_name, leaf->is_self_signed ? NULL : issuer,
             from_s, leaf->is_expired ? -DAY_S : lives_s);

    if (leaf->names != NULL)
        extend(certificate, issuer, NID_subject_alt_name, leaf->names);
    else if (leaf->raw_names.len > 0)
        extend_raw(certificate, leaf->raw_names);
    if (leaf->usage != NULL)
        extend(certificate, issuer, NID_ext_key_usage, leaf->usage);
    if (leaf->key_usage != NULL)
        extend(certificate, issuer, NID_key_usage, leaf->key_usage);
    return certificate;
}

void authority_issue(struct authority *a, const struct leaf *leaf,
                     struct leaf_files *out)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *below_key = NULL;
    EVP_PKEY *signer = leaf->is_self_signed ? key : a->key;
    X509 *below = NULL;
    X509 *certificate;
    FILE *file;

    assert_non_null(key);
    if (leaf->constraints != NULL) {
        signer = below_key = EVP_EC_gen("P-256");
        below = make_intermediate(a, below_key, leaf->constraints);
    }
    certificate = make_leaf(a, leaf, key, below != NULL ? below : a->root);
    assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);

    remember(a, out->certificate, "cert");
    write_certificate(out->certificate, certificate);
    if (below != NULL && !leaf->hides_authority) {
        file = fopen(out->certificate, "a");
        assert_non_null(file);
        assert_int_equal(PEM_write_X509(file, below), 1);
        fclose(file);
    }
    remember(a, out->key, "key");
    write_key(out->key, key);
    describe_pin(certificate, out->pin);
    X509_free(certificate);
    X509_free(below);
    EVP_PKEY_free(below_key);
    EVP_PKEY_free(key);
}
