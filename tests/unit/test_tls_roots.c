/*
 * Which authorities are trusted is read when a context is made: no handshake
 * touches a file, and without verification none builds a chain.
 */
#include "tls_pair.h"
#include "net/sock_open.h"
#include "net/sock_text.h"
#include "net/tls_ctx.h"
#include "net/tls_roots.h"
#include "net/tls_client.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define REFUSED "certificate refused: "

/* --- What the libraries ask for ------------------------------------------- */

static unsigned files; /* that were looked for, opened or read */
static unsigned chains;
static bool ex_data_fails;

/* These are found before those of the libraries, by the libraries, too. */
FILE *fopen(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    files++;
    return real(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}

int stat(const char *path, struct stat *st)
{
    files++;
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, 0);
}

int X509_verify_cert(X509_STORE_CTX *ctx)
{
    int (*real)(X509_STORE_CTX *);

    *(void **)&real = dlsym(RTLD_NEXT, "X509_verify_cert");
    chains++;
    return real(ctx);
}

int SSL_set_ex_data(SSL *ssl, int index, void *data)
{
    int (*real)(SSL *, int, void *);

    *(void **)&real = dlsym(RTLD_NEXT, "SSL_set_ex_data");
    return ex_data_fails ? 0 : real(ssl, index, data);
}

/* --- A system with roots -------------------------------------------------- */

static char directory[64];
static char hashed[128]; /* the name that OpenSSL would look for */

static void copy(const char *to, const char *from)
{
    char text[8192];
    FILE *in = fopen(from, "r");
    FILE *out = fopen(to, "w");
    size_t len;

    assert_non_null(in);
    assert_non_null(out);
    len = fread(text, 1, sizeof(text), in);
    assert_int_equal(fwrite(text, 1, len, out), len);
    fclose(in);
    fclose(out);
}

static unsigned long hash_of(const char *pem)
{
    FILE *in = fopen(pem, "r");
    X509 *x = PEM_read_X509(in, NULL, NULL, NULL);
    unsigned long hash;

    assert_non_null(x);
    hash = X509_subject_name_hash(x);
    X509_free(x);
    fclose(in);
    return hash;
}

static int begin(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/doab-roots-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(hashed, sizeof(hashed), "%s/%08lx.0", directory,
             hash_of(authority_file(authority)));
    setenv(X509_get_default_cert_dir_env(), directory, 1);
    setenv(X509_get_default_cert_file_env(), "/nonexistent/roots.pem", 1);
    return tls_pair_begin(state);
}

static int end(void **state)
{
    ex_data_fails = false;
    unlink(hashed);
    rmdir(directory);
    return tls_pair_end(state);
}

static struct tls_ctx *trusting(struct tls_roots *roots, const char *ca_file)
{
    const struct tls_policy policy = {.roots = roots, .ca_file = ca_file};
    struct tls_ctx *ctx = NULL;
    char why[200] = "";

    if (tls_client_new(&ctx, &policy, why, sizeof(why)) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

/* A handshake under ctx, which is freed: "" or the reason of a refusal. */
static const char *meet(struct tls_ctx *ctx, bool is_verified)
{
    const struct tls_peer peer = {
        .domain = "example.org", .is_verified = is_verified, .is_direct = true};

    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    assert_int_equal(sock_start_tls_client(client.s, ctx, &peer), ERR_OK);
    files = chains = 0;
    while (client.count[ON_SECURED] == 0 && client.count[ON_LOST] == 0)
        run_for(loop, 1);
    assert_int_equal(files, 0);
    tls_ctx_free(ctx);
    return client.count[ON_SECURED] > 0 ? "" : client.error;
}

/* --- Roots ---------------------------------------------------------------- */

static void a_hashed_directory_is_read_at_the_start(void **state)
{
    struct tls_ctx *ctx;

    copy(hashed, authority_file(authority));
    files = 0;
    ctx = trusting(NULL, NULL);
    assert_true(files > 0);
    unlink(hashed);
    assert_string_equal(meet(ctx, true), "");
    assert_int_equal(chains, 1);
}

static void and_never_after_it(void **state)
{
    struct tls_ctx *ctx = trusting(NULL, NULL);

    copy(hashed, authority_file(authority));
    assert_string_equal(meet(ctx, true),
                        REFUSED "unable to get local issuer certificate");
}

static void directories_may_be_several(void **state)
{
    char list[200];

    copy(hashed, authority_file(authority));
    snprintf(list, sizeof(list), "/nonexistent::%s", directory);
    setenv(X509_get_default_cert_dir_env(), list, 1);
    assert_string_equal(meet(trusting(NULL, NULL), true), "");
}

static void a_bundle_is_read_at_the_start(void **state)
{
    setenv(X509_get_default_cert_file_env(), authority_file(authority), 1);
    assert_string_equal(meet(trusting(NULL, NULL), true), "");
}

/* OpenSSL would not look at such names either. */
static void other_names_do_not_count(void **state)
{
    static const char *const names[] = {
        "root.pem",    "0123456.0",  "012345678.0", "01234567.",
        "01234567.r0", "0123456G.0", "01234567.0~",
    };
    struct tls_ctx *ctx;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        copy(path, authority_file(authority));
    }
    ctx = trusting(NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    assert_string_equal(meet(ctx, true),
                        REFUSED "unable to get local issuer certificate");
}

static void a_file_that_is_no_certificate_spoils_nothing(void **state)
{
    char other[128];
    struct tls_ctx *ctx;
    FILE *out;

    copy(hashed, authority_file(authority));
    snprintf(other, sizeof(other), "%s/00000000.0", directory);
    out = fopen(other, "w");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          out);
    fclose(out);
    ctx = trusting(NULL, NULL);
    unlink(other);
    assert_string_equal(meet(ctx, true), "");
}

static void contexts_share_what_was_read_once(void **state)
{
    struct tls_roots *roots;
    struct tls_ctx *first;
    struct tls_ctx *second;
    struct tls_ctx *other;

    assert_int_equal(tls_roots_new(&roots), ERR_OK);
    copy(hashed, authority_file(authority));
    first = trusting(roots, hashed);
    other = trusting(roots, NULL);
    unlink(hashed);
    files = 0;
    second = trusting(roots, hashed);
    assert_int_equal(files, 0);
    tls_roots_free(roots); /* they keep what they need */
    tls_ctx_free(first);
    tls_ctx_free(other);
    assert_string_equal(meet(second, true), "");
}

static void another_file_has_other_roots(void **state)
{
    struct authority *stranger = authority_new("Stranger");
    struct tls_roots *roots;
    struct tls_ctx *ctx;

    assert_int_equal(tls_roots_new(&roots), ERR_OK);
    tls_ctx_free(trusting(roots, authority_file(authority)));
    ctx = trusting(roots, authority_file(stranger));
    tls_roots_free(roots);
    assert_string_equal(meet(ctx, true),
                        REFUSED "unable to get local issuer certificate");
    authority_free(stranger);
}

/* --- Connections ---------------------------------------------------------- */

static void no_chain_is_built_where_none_is_asked_for(void **state)
{
    char trust[200];

    assert_string_equal(meet(trusting(NULL, NULL), false), "");
    assert_int_equal(chains, 0);
    sock_trust_text(client.s, trust, sizeof(trust));
    assert_string_equal(trust, "resumed=no trust=\"unverified: not checked\"");
}

/* One context may serve both: domains share it whatever they verify. */
static void that_is_no_verdict_for_those_who_ask(void **state)
{
    struct tls_ctx *ctx = trusting(NULL, NULL);
    const struct tls_peer peer = {.domain = "example.org"};

    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    assert_int_equal(sock_start_tls_client(client.s, ctx, &peer), ERR_OK);
    run_until(loop, &client.count[ON_SECURED], 1);
    tls_pair_end(NULL);
    tls_pair_begin(NULL);
    assert_string_equal(meet(ctx, true),
                        REFUSED "unable to get local issuer certificate");
}

/* A ticket comes later, and would look for the connection there. */
static void a_connection_that_openssl_cannot_note_is_not_made(void **state)
{
    const struct tls_peer peer = {.domain = "example.org"};

    ex_data_fails = true;
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_NOMEM);
    assert_int_equal(sock_start_tls_client(client.s, client_ctx, &peer),
                     ERR_NOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hashed_directory_is_read_at_the_start),
        TEST(and_never_after_it),
        TEST(directories_may_be_several),
        TEST(a_bundle_is_read_at_the_start),
        TEST(other_names_do_not_count),
        TEST(a_file_that_is_no_certificate_spoils_nothing),
        TEST(contexts_share_what_was_read_once),
        TEST(another_file_has_other_roots),
        TEST(no_chain_is_built_where_none_is_asked_for),
        TEST(that_is_no_verdict_for_those_who_ask),
        TEST(a_connection_that_openssl_cannot_note_is_not_made),
    };

    return cmocka_run_group_tests_name("tls_roots", tests, tls_pair_begin_group,
                                       tls_pair_end_group);
}
