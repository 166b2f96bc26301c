#include "bosh_grant.h"
#include "session/session_host.h"

#define VER_MAJOR    1
#define VER_MINOR    11
#define HOLD_DEFAULT 1

/* What may stand in Content-Type.  The client's own text is never echoed: it
 * would make our origin serve what an attacker likes (A18). */
static const struct content {
    const char *asked; /* lower case, white space and quotes taken out */
    struct slice type;
} contents[] = {
    {"text/xml", {"text/xml; charset=utf-8", 23}},
    {"text/xml;charset=utf-8", {"text/xml; charset=utf-8", 23}},
    {"application/xml", {"application/xml; charset=utf-8", 30}},
    {"application/xml;charset=utf-8", {"application/xml; charset=utf-8", 30}},
};

static struct slice content_type(struct slice asked)
{
    char plain[40];
    size_t len = 0;
    size_t i;

    for (i = 0; i < asked.len && len < sizeof(plain) - 1; i++) {
        char c = asked.at[i];

        if (c == ' ' || c == '\t' || c == '"')
            continue;
        plain[len++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    plain[len] = '\0';
    for (i = 0; i < COUNT_OF(contents); i++) {
        if (strcmp(plain, contents[i].asked) == 0)
            return contents[i].type;
    }
    return contents[0].type;
}

/* Digits from *at on; false when there is none or too many. */
static bool number(const char **at, const char *end, unsigned *out)
{
    const char *start = *at;

    *out = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - start < 5)
        *out = *out * 10 + (unsigned)(*(*at)++ - '0');
    return *at > start;
}

/* A08, A09, A34: two integers, compared as such; what cannot be read is
 * answered with our own version. */
static void grant_version(struct bosh_grant *g, struct slice ver)
{
    const char *at = ver.at;
    const char *end = ver.at + ver.len;
    unsigned major;
    unsigned minor;

    g->ver_major = VER_MAJOR;
    g->ver_minor = VER_MINOR;
    if (!number(&at, end, &major) || at == end || *at != '.')
        return;
    at++;
    if (!number(&at, end, &minor) || at != end)
        return;
    if (major < VER_MAJOR || (major == VER_MAJOR && minor < VER_MINOR)) {
        g->ver_major = (uint16_t)major;
        g->ver_minor = (uint16_t)minor;
    }
}

static uint16_t bosh_grant_cut(uint64_t value, unsigned max)
{
    return (uint16_t)(value < max ? value : max);
}

const char *bosh_grant(struct bosh_grant *out, const struct bosh_body *body,
                       const struct bosh_settings *settings)
{
    unsigned inactivity_s = settings->inactivity_s;

    memset(out, 0, sizeof(*out));
    out->is_legacy = body->ver.at == NULL;
    out->content_type = content_type(body->content);
    if (!body->rid.is_given || body->rid.is_malformed || body->rid.value == 0)
        return "bad-request";
    if (body->wait.is_malformed || body->hold.is_malformed)
        return "bad-request";

    out->wait_s = bosh_grant_cut(body->wait.is_given ? body->wait.value
                                                     : settings->wait_s,
                                 settings->wait_max_s);
    out->hold = (uint8_t)bosh_grant_cut(body->hold.is_given ? body->hold.value
                                                            : HOLD_DEFAULT,
                                        settings->hold_max);
    out->requests = (uint8_t)(out->hold + 1u);
    out->is_polling = out->wait_s == 0 || out->hold == 0;
    /* A polling client is away between its requests (A35). */
    if (out->is_polling)
        inactivity_s += 2 * settings->polling_s + 1;
    out->inactivity_s = bosh_grant_cut(inactivity_s, UINT16_MAX);
    out->polling_s = bosh_grant_cut(settings->polling_s, UINT16_MAX);
    out->maxpause_s = bosh_grant_cut(settings->maxpause_s, UINT16_MAX);
    out->acks =
        body->ack.is_given && !body->ack.is_malformed && body->ack.value == 1;
    if (!out->is_legacy)
        grant_version(out, body->ver);
    return NULL;
}
