#include "tls_pair.h"
#include "net/sock_open.h"
#include "net/tls_ctx.h"
#include "net/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct authority *authority;
struct leaf_files good; /* for example.org */
struct tls_ctx *server_ctx;
struct tls_ctx *client_ctx;
struct loop *loop;
struct endpoint client;
struct endpoint server;

struct tls_ctx *tls_pair_server(const struct leaf_files *files)
{
    struct tls_ctx *ctx = NULL;
    char why[200] = "";

    if (tls_server_new(&ctx, files->certificate, files->key, why,
                       sizeof(why)) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

struct tls_ctx *tls_pair_client(const struct tls_policy *policy)
{
    struct tls_policy p = *policy;
    struct tls_ctx *ctx = NULL;
    char why[200] = "";

    if (p.ca_file == NULL)
        p.ca_file = authority_file(authority);
    if (tls_client_new(&ctx, &p, why, sizeof(why)) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

int tls_pair_begin_group(void **state)
{
    const struct leaf leaf = {.common_name = "Test",
                              .names = "DNS:example.org"};

    if (tls_start() != ERR_OK)
        return -1;
    authority = authority_new("Root");
    authority_issue(authority, &leaf, &good);
    server_ctx = tls_pair_server(&good);
    client_ctx = tls_pair_client(&(struct tls_policy){0});
    return 0;
}

int tls_pair_end_group(void **state)
{
    tls_ctx_free(server_ctx);
    tls_ctx_free(client_ctx);
    tls_ctx_free(NULL);
    authority_free(authority);
    return 0;
}

int tls_pair_begin(void **state)
{
    endpoint_init(&client);
    endpoint_init(&server);
    if (loop_new(&loop) != ERR_OK)
        return -1;
    endpoint_pair(&client, &server, loop);
    return 0;
}

int tls_pair_end(void **state)
{
    endpoint_close(&client);
    endpoint_close(&server);
    sock_stop_lingering(loop);
    loop_free(loop);
    return 0;
}

void tls_pair_shake_hands(struct tls_ctx *ctx, const char *domain,
                          bool is_verified)
{
    const struct tls_peer peer = {
        .domain = domain, .is_verified = is_verified, .is_direct = true};

    assert_int_equal(sock_start_tls_server(server.s, ctx), ERR_OK);
    assert_int_equal(sock_start_tls_client(client.s, client_ctx, &peer),
                     ERR_OK);
}

void tls_pair_secure(void)
{
    tls_pair_shake_hands(server_ctx, "example.org", true);
    run_until(loop, &client.count[ON_SECURED], 1);
    run_until(loop, &server.count[ON_SECURED], 1);
}
