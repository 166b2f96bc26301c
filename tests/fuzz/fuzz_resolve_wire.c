/*
 * fuzz_resolve_wire.c - replies of the DNS through all that reads them: the
 * reader, the answer that is kept, its order, and the copy of the cache.
 *
 * Input: one byte that chooses the type, then the reply.  The question in it
 * is made the one that was asked, as c-ares has seen to before.
 */
#include "dns/resolve_answer.h"
#include "dns/resolve_sort.h"
#include "dns/resolve_srv.h"
#include "dns/resolve_wire.h"

#include <arpa/nameser.h>
#include <stdlib.h>

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

#define HEAD_BYTES 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const unsigned char question[] = "\1a\4test";
static struct wire_reply reply; /* large */

/* Every name that comes out fits, ends, and is in lower case. */
static void check_name(const char *name)
{
    size_t len = strnlen(name, RESOLVE_NAME_CAP);

    REQUIRE(len < RESOLVE_NAME_CAP);
    for (size_t i = 0; i < len; i++)
        REQUIRE(name[i] > ' ' && name[i] < 0x7f &&
                !(name[i] >= 'A' && name[i] <= 'Z'));
}

static void check_reply(int type, size_t len)
{
    REQUIRE(reply.n <= RESOLVE_RECORDS_MAX);
    REQUIRE(reply.ttl_s <= INT32_MAX);
    REQUIRE(reply.n_aliases <= RESOLVE_ALIASES_MAX);
    REQUIRE(reply.n > 0 || reply.n_aliases == 0 ||
            resolve_wire_is_host(reply.alias));
    /* No record without bytes for it: owner, head, and data. */
    REQUIRE(reply.n * (2 + 10 + 4) <= len);
    for (size_t i = 0; i < reply.n; i++)
        if (type == ns_t_srv)
            check_name(reply.records[i].host);
}

static uint64_t always_last(uint64_t below)
{
    return below - 1;
}

static void check_targets(const struct answer *a)
{
    static struct resolve_target targets[2 * RESOLVE_RECORDS_MAX];
    size_t n = 0;

    resolve_srv_add(targets, &n, a, false);
    resolve_srv_add(targets, &n, a, true);
    resolve_srv_order(targets, n, always_last);
    REQUIRE(n == 2 * a->n);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(targets[i].port != 0);
        REQUIRE(resolve_wire_is_host(targets[i].host));
        REQUIRE(!addr_is_ip_literal(targets[i].host));
        REQUIRE(i == 0 || targets[i - 1].priority <= targets[i].priority);
    }
}

static void check_answer(int type)
{
    struct answer *a = answer_new(&reply, type);
    struct answer *copy;

    REQUIRE(a != NULL);
    REQUIRE(a->n <= reply.n);
    REQUIRE((a->status == RESOLVE_OK) == (a->n > 0));
    REQUIRE((a->status == RESOLVE_NONE) == (reply.n == 0));
    copy = answer_copy(a);
    free(a); /* the copy stands alone */
    REQUIRE(copy != NULL);
    if (type == ns_t_srv)
        check_targets(copy);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const int types[] = {ns_t_a, ns_t_aaaa, ns_t_srv};
    size_t behind = HEAD_BYTES + sizeof(question) + 4;
    unsigned char *bytes;
    int type;

    if (len < 1 || len > 65536)
        return 0;
    type = types[data[0] % COUNT_OF(types)];
    data++;
    len--;
    bytes = malloc(len > 0 ? len : 1); /* so that no byte behind is read */
    REQUIRE(bytes != NULL);
    memcpy(bytes, data, len);
    if (len >= behind) {
        memcpy(bytes + HEAD_BYTES, question, sizeof(question));
        memcpy(bytes + behind - 4, (unsigned char[]){0, 0, 0, 1}, 4);
        bytes[behind - 3] = (unsigned char)type;
        bytes[4] = 0;
        bytes[5] = 1;
    }
    if (resolve_wire_read(&reply, (struct slice){(const char *)bytes, len},
                          "a.test", type) == ERR_OK) {
        check_reply(type, len);
        check_answer(type);
    }
    free(bytes);
    return 0;
}
