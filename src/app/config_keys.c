#include "config_keys.h"
#include "net/tls_ctx.h"

#define AT(field)     offsetof(struct config, field)
#define LISTEN(field) offsetof(struct config_listen, field)
#define DOMAIN(field) offsetof(struct config_domain, field)

/* A value is stored as an unsigned: the compiler must agree. */
_Static_assert(sizeof(enum upstream_mode) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum tls_floor) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum proxy_version) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum forwarded_header) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum log_format) == sizeof(unsigned), "enum");

static const char *const modes[] = {
    [UPSTREAM_STARTTLS] = "starttls",
    [UPSTREAM_TLS] = "tls",
    [UPSTREAM_PLAIN] = "plain",
    [UPSTREAM_OPPORTUNISTIC] = "opportunistic",
    NULL,
};

static const char *const floors[] = {
    [TLS_FLOOR_1_2] = "1.2",
    [TLS_FLOOR_1_3] = "1.3",
    [TLS_FLOOR_1_1] = "1.1",
    [TLS_FLOOR_1_0] = "1.0",
    NULL,
};

static const char *const proxies[] = {
    [PROXY_NONE] = "none",
    [PROXY_V1] = "v1",
    [PROXY_V2] = "v2",
    NULL,
};

static const char *const levels[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace", NULL,
};

static const char *const formats[] = {
    [LOG_TEXT] = "text",
    [LOG_JOURNALD] = "journald",
    NULL,
};

static const char *const client_headers[] = {
    [FORWARDED_X] = "x-forwarded",
    [FORWARDED_7239] = "forwarded",
    [FORWARDED_NONE] = "none",
    NULL,
};

static const struct {
    const char *name;
    bool is_titled;
} sections[] = {
    [SECTION_LISTEN] = {"listen", true},
    [SECTION_DOMAIN] = {"domain", true},
    [SECTION_BOSH] = {"bosh", false},
    [SECTION_WEBSOCKET] = {"websocket", false},
    [SECTION_HTTP] = {"http", false},
    [SECTION_UPSTREAM] = {"upstream", false},
    [SECTION_LIMITS] = {"limits", false},
    [SECTION_PAGES] = {"pages", false},
    [SECTION_LOG] = {"log", false},
};

/* Ordered by section.  A key that is added here must be added to
 * conf/doab.conf and man/doab.conf.5: test_config_keys and the lint see. */
const struct config_key config_keys[] = {
    {SECTION_LISTEN, "certificate", CONFIG_TEXT, LISTEN(certificate), 0, 4095,
     "", CONFIG_RELOADABLE, NULL,
     "PEM file with the certificate chain, the server's own first.  With"
     " it this listener speaks TLS (https and wss), without it plain "
     "HTTP."},
    {SECTION_LISTEN, "key", CONFIG_TEXT, LISTEN(key), 0, 4095, "",
     CONFIG_RELOADABLE, NULL,
     "PEM file with the private key of the certificate."},
    {SECTION_LISTEN, "proxy_protocol", CONFIG_BOOL, LISTEN(proxy_protocol), 0,
     0, "no", CONFIG_FIXED, NULL,
     "Whether each connection begins with a header of the PROXY protocol, "
     "version 1 or 2, that names the client.  Only http.trusted_proxies may "
     "then connect."},
    {SECTION_LISTEN, "secure", CONFIG_BOOL, LISTEN(secure), 0, 0, "no",
     CONFIG_FIXED, NULL,
     "Whether clients reach this plain listener over TLS that something in "
     "front of it has ended and that cannot say so by X-Forwarded-Proto."},
    {SECTION_DOMAIN, "route", CONFIG_LIST, DOMAIN(routes), 0, 280, "",
     CONFIG_RELOADABLE, NULL,
     "Where the domain's XMPP server is, as host:port or [v6]:port; or a "
     "list of several, the next one for when those before fail.  When it is "
     "empty the server is found by DNS: SRV records, then A and AAAA, public "
     "addresses only."},
    {SECTION_DOMAIN, "denied", CONFIG_BOOL, DOMAIN(is_denied), 0, 0, "no",
     CONFIG_RELOADABLE, NULL,
     "Whether the domain is refused: an exception to a shorter .suffix or "
     "to *."},
    {SECTION_DOMAIN, "default", CONFIG_BOOL, DOMAIN(is_default), 0, 0, "no",
     CONFIG_RELOADABLE, NULL,
     "Whether clients that name no domain mean this one; for one domain at "
     "most, and no .suffix."},
    {SECTION_DOMAIN, "private", CONFIG_BOOL, DOMAIN(allows_private), 0, 0, "no",
     CONFIG_RELOADABLE, NULL,
     "Whether DNS may name private and loopback addresses for this domain, as "
     "it does where a site's servers stand in 10.0.0.0/8; not for *."},
    {SECTION_DOMAIN, "route_attribute", CONFIG_BOOL, DOMAIN(heeds_route), 0, 0,
     "no", CONFIG_RELOADABLE, NULL,
     "Whether BOSH clients may name the server by the attribute route of "
     "XEP-0124.  It is judged like a server that DNS names, and its "
     "certificate must be valid for the domain all the same; without effect "
     "where a route is set."},
    {SECTION_DOMAIN, "proxy", CONFIG_ENUM, DOMAIN(proxy), 0, 0, "none",
     CONFIG_RELOADABLE, proxies,
     "Whether each connection to the server begins with a header of the PROXY "
     "protocol that names the client: none, v1 (a line) or v2 (binary).  The "
     "server must expect it."},
    {SECTION_DOMAIN, "mode", CONFIG_ENUM, DOMAIN(mode), 0, 0, "starttls",
     CONFIG_RELOADABLE, modes,
     "How the way to the server is protected: starttls (required, never "
     "optional), tls (from the first byte), opportunistic (STARTTLS if the "
     "server offers it, which whoever is between can prevent) or plain (not "
     "at all)."},
    {SECTION_DOMAIN, "verify", CONFIG_BOOL, DOMAIN(verify), 0, 0, "yes",
     CONFIG_RELOADABLE, NULL,
     "Whether the server's certificate must be valid for the domain."},
    {SECTION_DOMAIN, "ca_file", CONFIG_TEXT, DOMAIN(ca_file), 0, 4095, "",
     CONFIG_RELOADABLE, NULL,
     "PEM file with the only roots trusted for this domain.  When it is "
     "empty: upstream.ca_file."},
    {SECTION_DOMAIN, "pin", CONFIG_LIST, DOMAIN(pins), 0, 300, "",
     CONFIG_RELOADABLE, NULL,
     "Keys of which the server's certificate must have one, as sha256/ and "
     "44 characters of base64: the digest of its SubjectPublicKeyInfo.  With "
     "verify = yes the certificate must be valid as well; with verify = no "
     "the pin alone says who the server is.  An empty list: any key."},
    {SECTION_DOMAIN, "tls_min", CONFIG_ENUM, DOMAIN(tls_min), 0, 0, "1.2",
     CONFIG_RELOADABLE, floors,
     "The oldest version of TLS that is spoken to the server.  1.1 and 1.0 "
     "are broken; they are for servers that know no better, and allow old "
     "ciphers and short keys, too."},
    {SECTION_DOMAIN, "ciphers", CONFIG_TEXT, DOMAIN(ciphers), 0, 1023, "",
     CONFIG_RELOADABLE, NULL,
     "Cipher list for TLS 1.2 and before, in OpenSSL's words; those of TLS "
     "1.3 are all good.  When it is empty: OpenSSL's own list without what "
     "lacks forward secrecy."},
    {SECTION_BOSH, "node", CONFIG_TEXT, AT(bosh.node), 1, CONFIG_NODE_MAX, "d",
     CONFIG_FIXED, NULL,
     "Name of this node, the first part of every session id: 1 to 16 of "
     "a-z and 0-9.  Load balancers route by it."},
    {SECTION_BOSH, "wait", CONFIG_SECONDS, AT(bosh.wait_s), 1, 300, "45s",
     CONFIG_RELOADABLE, NULL,
     "How long a request is held when the client asks for no other wait."},
    {SECTION_BOSH, "wait_max", CONFIG_SECONDS, AT(bosh.wait_max_s), 1, 300,
     "45s", CONFIG_RELOADABLE, NULL,
     "The longest wait that a client is given.  Keep it below the read timeout "
     "of every proxy on the way: HAProxy has 50 s in Debian, nginx and Apache "
     "have 60 s."},
    {SECTION_BOSH, "hold_max", CONFIG_COUNT, AT(bosh.hold_max), 1, 10, "1",
     CONFIG_RELOADABLE, NULL,
     "How many requests of a session are held at once, at most."},
    {SECTION_BOSH, "inactivity", CONFIG_SECONDS, AT(bosh.inactivity_s), 5, 3600,
     "90s", CONFIG_RELOADABLE, NULL,
     "How long a session lives without any open request."},
    {SECTION_BOSH, "polling", CONFIG_SECONDS, AT(bosh.polling_s), 0, 60, "2s",
     CONFIG_RELOADABLE, NULL,
     "Shortest time between two empty requests of a client that polls."},
    {SECTION_BOSH, "maxpause", CONFIG_SECONDS, AT(bosh.maxpause_s), 0, 3600,
     "120s", CONFIG_RELOADABLE, NULL,
     "The longest pause a client may ask for; 0s: none."},
    {SECTION_BOSH, "tombstone", CONFIG_SECONDS, AT(bosh.tombstone_s), 0, 600,
     "60s", CONFIG_RELOADABLE, NULL,
     "How long an ended session still repeats its last answers."},
    {SECTION_BOSH, "tombstones_max", CONFIG_BYTES,
     AT(bosh.tombstones_max_bytes), 16384, 1073741824, "8M", CONFIG_RELOADABLE,
     NULL,
     "Memory of each worker for ended sessions that still repeat their last "
     "answers; above it the oldest are forgotten."},
    {SECTION_BOSH, "repeats_max", CONFIG_COUNT, AT(bosh.repeats_max), 1, 1000,
     "10", CONFIG_RELOADABLE, NULL,
     "How often a client may send the same request again."},
    {SECTION_BOSH, "gap_timeout", CONFIG_MS, AT(bosh.gap_ms), 0, 60000, "5s",
     CONFIG_RELOADABLE, NULL,
     "How long a terminate waits for requests that were sent before it "
     "and have not arrived."},
    {SECTION_BOSH, "answer_max", CONFIG_BYTES, AT(bosh.answer_max_bytes), 4096,
     16777216, "64k", CONFIG_RELOADABLE, NULL,
     "Stanzas are put into one answer up to this size; a larger one "
     "travels alone."},
    {SECTION_BOSH, "gzip", CONFIG_BOOL, AT(bosh.gzip), 0, 0, "no",
     CONFIG_RELOADABLE, NULL,
     "Whether answers to logged-in clients are compressed for those who "
     "accept gzip.  The length of a compressed answer may tell a stranger "
     "who can write to the user, and sees the encrypted traffic, what else "
     "is in it.  Nothing that belongs to a login is ever compressed."},
    {SECTION_BOSH, "gzip_min", CONFIG_BYTES, AT(bosh.gzip_min_bytes), 64,
     16777216, "1k", CONFIG_RELOADABLE, NULL,
     "Smaller answers are sent as they are."},
    {SECTION_WEBSOCKET, "ping", CONFIG_SECONDS, AT(websocket.ping_s), 0, 3600,
     "30s", CONFIG_RELOADABLE, NULL,
     "How often an idle WebSocket is pinged; 0s: never."},
    {SECTION_WEBSOCKET, "ping_timeout", CONFIG_SECONDS,
     AT(websocket.ping_timeout_s), 1, 600, "30s", CONFIG_RELOADABLE, NULL,
     "A client that does not answer a ping for so long is gone."},
    {SECTION_WEBSOCKET, "open_timeout", CONFIG_MS, AT(websocket.open_ms), 100,
     60000, "10s", CONFIG_RELOADABLE, NULL,
     "Time from the upgrade to the client's <open/>."},
    {SECTION_WEBSOCKET, "close_timeout", CONFIG_MS, AT(websocket.close_ms), 100,
     60000, "5s", CONFIG_RELOADABLE, NULL, "Time for each step of closing."},
    {SECTION_WEBSOCKET, "see_other_uri", CONFIG_TEXT,
     AT(websocket.see_other_uri), 0, 2048, "", CONFIG_RELOADABLE, NULL,
     "Where clients are sent when doab ends: a ws: or wss: URI.  Clients on "
     "TLS are told of a wss: URI only.  When it is empty they are told of "
     "the end alone."},
    {SECTION_WEBSOCKET, "legacy", CONFIG_BOOL, AT(websocket.legacy), 0, 0, "no",
     CONFIG_RELOADABLE, NULL,
     "Whether clients from before RFC 7395, which begin with "
     "<stream:stream>, are served as well."},
    {SECTION_WEBSOCKET, "deflate", CONFIG_BOOL, AT(websocket.deflate), 0, 0,
     "no", CONFIG_RELOADABLE, NULL,
     "Whether messages may be compressed both ways (RFC 7692) for clients "
     "that offer it.  The length of a compressed message may tell a stranger "
     "who can write to the user, and sees the encrypted traffic, what else "
     "is in it.  Nothing that doab sends during a login is ever compressed."},
    {SECTION_WEBSOCKET, "deflate_min", CONFIG_BYTES,
     AT(websocket.deflate_min_bytes), 64, 16777216, "1k", CONFIG_RELOADABLE,
     NULL, "Smaller messages are sent as they are."},
    {SECTION_HTTP, "header_timeout", CONFIG_MS, AT(http.header_ms), 100, 300000,
     "10s", CONFIG_RELOADABLE, NULL,
     "Time from the first byte of a request to the end of its head."},
    {SECTION_HTTP, "body_timeout", CONFIG_MS, AT(http.body_ms), 100, 300000,
     "10s", CONFIG_RELOADABLE, NULL, "Time for the body of a request."},
    {SECTION_HTTP, "idle_timeout", CONFIG_MS, AT(http.idle_ms), 1000, 3600000,
     "130s", CONFIG_RELOADABLE, NULL,
     "How long a connection may stay open between two requests.  Keep it "
     "longer than proxies in front keep their connections: Caddy does for "
     "120 s, Traefik for 90 s, nginx for 60 s."},
    {SECTION_HTTP, "write_timeout", CONFIG_MS, AT(http.write_ms), 100, 300000,
     "30s", CONFIG_RELOADABLE, NULL,
     "A client that takes no byte for so long is gone."},
    {SECTION_HTTP, "tls_timeout", CONFIG_MS, AT(http.tls_ms), 100, 60000, "10s",
     CONFIG_RELOADABLE, NULL, "Time for the TLS handshake of a client."},
    {SECTION_HTTP, "tls_handshakes_max", CONFIG_COUNT,
     AT(http.tls_handshakes_max), 16, 1000000, "1000", CONFIG_RELOADABLE, NULL,
     "TLS handshakes of clients under way, each of some 50 kB; one more ends "
     "the oldest."},
    {SECTION_HTTP, "header_max", CONFIG_BYTES, AT(http.header_max_bytes), 1024,
     262144, "16k", CONFIG_RELOADABLE, NULL,
     "Largest head of a request; beyond it 431."},
    {SECTION_HTTP, "queue_max", CONFIG_BYTES, AT(http.queue_max_bytes), 65536,
     134217728, "128k", CONFIG_RELOADABLE, NULL,
     "Bytes of answers that may wait for one client's connection; at half of "
     "it the next answer waits, and an answer of any size fits below that."},
    {SECTION_HTTP, "origins", CONFIG_LIST, AT(http.origins), 0, 300, "*",
     CONFIG_RELOADABLE, NULL,
     "Web sites whose pages may use the gateway, as scheme://host or "
     "scheme://host:port.  A host may be *.example.org, which is any below "
     "that one; \"null\" is what pages without a site send, and \"file://\" "
     "what some apps do.  \"*\" is any site, an empty list none: then every "
     "request of a browser is refused."},
    {SECTION_HTTP, "cors_headers", CONFIG_BOOL, AT(http.cors_headers), 0, 0,
     "yes", CONFIG_RELOADABLE, NULL,
     "Whether answers tell browsers which sites may read them.  Switch it off "
     "where a proxy in front writes these headers (CORS): browsers refuse an "
     "answer that has them twice."},
    {SECTION_HTTP, "allow_headers", CONFIG_LIST, AT(http.allow_headers), 0, 100,
     "", CONFIG_RELOADABLE, NULL,
     "Request headers that pages of other sites may send beside Content-Type, "
     "such as Authorization for a proxy in front; \"*\" is any other.  512 "
     "bytes in all."},
    {SECTION_HTTP, "credentials", CONFIG_BOOL, AT(http.credentials), 0, 0, "no",
     CONFIG_RELOADABLE, NULL,
     "Whether pages of those sites may send cookies; not with \"*\"."},
    {SECTION_HTTP, "trusted_proxies", CONFIG_LIST, AT(http.trusted_proxies), 0,
     300, "", CONFIG_RELOADABLE, NULL,
     "Reverse proxies whose word on the client's address and encryption is "
     "believed: addresses or networks such as 192.0.2.0/24, or unix: for "
     "whoever connects by a unix socket."},
    {SECTION_HTTP, "client_header", CONFIG_ENUM, AT(http.client_header), 0, 0,
     "x-forwarded", CONFIG_RELOADABLE, client_headers,
     "In which headers a trusted proxy names the client: x-forwarded "
     "(X-Forwarded-For and X-Forwarded-Proto), forwarded (RFC 7239) or none.  "
     "Never one that the proxy passes on as the client sent it."},
    {SECTION_UPSTREAM, "dns_timeout", CONFIG_MS, AT(upstream.dns_ms), 100,
     60000, "5s", CONFIG_RELOADABLE, NULL,
     "Time for one question to the DNS, retries included."},
    {SECTION_UPSTREAM, "dns_servers", CONFIG_TEXT, AT(upstream.dns_servers), 0,
     1023, "", CONFIG_RELOADABLE, NULL,
     "Name servers as 192.0.2.1:53,[2001:db8::1]:53 instead of the "
     "system's."},
    {SECTION_UPSTREAM, "dns_queries_max", CONFIG_COUNT,
     AT(upstream.dns_queries_max), 8, 4096, "128", CONFIG_RELOADABLE, NULL,
     "Questions that each worker may have with the DNS at a time, each with "
     "a socket of its own; an eighth of them for names below one domain such "
     "as example.org, a sixteenth for one client, and an eighth is for domains "
     "that the configuration names.  Others wait for their turn."},
    {SECTION_UPSTREAM, "dns_cache_max", CONFIG_BYTES,
     AT(upstream.dns_cache_max_bytes), 0, 268435456, "4M", CONFIG_RELOADABLE,
     NULL, "Memory of each worker for answers of the DNS; 0 remembers none."},
    {SECTION_UPSTREAM, "dns_ttl_max", CONFIG_SECONDS,
     AT(upstream.dns_ttl_max_s), 5, 604800, "86400s", CONFIG_RELOADABLE, NULL,
     "An answer of the DNS holds no longer, whatever its TTL."},
    {SECTION_UPSTREAM, "dns_stale", CONFIG_SECONDS, AT(upstream.dns_stale_s), 0,
     604800, "3600s", CONFIG_RELOADABLE, NULL,
     "How long records that have expired may still be used while the DNS "
     "does not answer."},
    {SECTION_UPSTREAM, "srv_timeout_fallback", CONFIG_BOOL,
     AT(upstream.has_srv_timeout_fallback), 0, 0, "no", CONFIG_RELOADABLE, NULL,
     "Whether silence of the DNS about SRV records counts as their absence, "
     "so that the domain itself is tried."},
    {SECTION_UPSTREAM, "connect_timeout", CONFIG_MS, AT(upstream.connect_ms),
     100, 300000, "15s", CONFIG_RELOADABLE, NULL,
     "Time to find and reach a server, all its addresses together."},
    {SECTION_UPSTREAM, "target_timeout", CONFIG_MS, AT(upstream.target_ms), 100,
     300000, "7s", CONFIG_RELOADABLE, NULL,
     "Time for one server of several, from looking up its name to its "
     "stream; then the next one has its turn."},
    {SECTION_UPSTREAM, "attempt_timeout", CONFIG_MS, AT(upstream.attempt_ms),
     100, 60000, "5s", CONFIG_RELOADABLE, NULL,
     "Time for one address of a server."},
    {SECTION_UPSTREAM, "attempt_delay", CONFIG_MS, AT(upstream.delay_ms), 100,
     2000, "250ms", CONFIG_RELOADABLE, NULL,
     "An address that does not answer for so long is joined by the next one "
     "of the same server; the first to answer is taken (RFC 8305)."},
    {SECTION_UPSTREAM, "ports", CONFIG_LIST, AT(upstream.ports), 1, 5, "",
     CONFIG_RELOADABLE, NULL,
     "The ports that may be connected to without a route.  When the list is "
     "empty: 5222, 5223 and 443."},
    {SECTION_UPSTREAM, "forbid", CONFIG_LIST, AT(upstream.forbid), 1, 63, "",
     CONFIG_RELOADABLE, NULL,
     "Addresses and networks such as 203.0.113.0/24 that are never connected "
     "to without a route, besides those that are not public."},
    {SECTION_UPSTREAM, "connects_max", CONFIG_COUNT, AT(upstream.connects_max),
     1, 100000, "2000", CONFIG_RELOADABLE, NULL,
     "Connections to servers that each worker may have in the making at once.  "
     "Those that strangers name by DNS count until their stream is open, those "
     "of a route until they are connected."},
    {SECTION_UPSTREAM, "connects_per_network", CONFIG_COUNT,
     AT(upstream.connects_per_network), 1, 100000, "250", CONFIG_RELOADABLE,
     NULL,
     "The same, to one IPv4 /24 or IPv6 /48.  Does not count for a route, "
     "whose "
     "network may have half of connects_max."},
    {SECTION_UPSTREAM, "connects_per_client", CONFIG_COUNT,
     AT(upstream.connects_per_client), 1, 100000, "50", CONFIG_RELOADABLE, NULL,
     "The same, for one client: an IPv4 address or an IPv6 /64; but not "
     "towards a route, nor for clients at loopback addresses and unix sockets, "
     "which are proxies."},
    {SECTION_UPSTREAM, "connects_waiting_max", CONFIG_COUNT,
     AT(upstream.connects_waiting_max), 0, 1000000, "4000", CONFIG_RELOADABLE,
     NULL,
     "How many connections may wait for their turn with each worker.  Above "
     "it, clients of a domain that the configuration names are told to come "
     "again, and for others no server can be reached."},
    {SECTION_UPSTREAM, "tell_cause", CONFIG_BOOL, AT(upstream.tell_cause), 0, 0,
     "no", CONFIG_RELOADABLE, NULL,
     "Whether clients are told why a server cannot be reached.  The log always "
     "says so; strangers could look around in networks by it."},
    {SECTION_UPSTREAM, "stream_timeout", CONFIG_MS, AT(upstream.stream_ms), 100,
     300000, "15s", CONFIG_RELOADABLE, NULL,
     "Time for a server's stream header and features."},
    {SECTION_UPSTREAM, "write_timeout", CONFIG_MS, AT(upstream.write_ms), 100,
     300000, "30s", CONFIG_RELOADABLE, NULL,
     "A server that takes no byte for so long is lost."},
    {SECTION_UPSTREAM, "close_timeout", CONFIG_MS, AT(upstream.close_ms), 100,
     60000, "5s", CONFIG_RELOADABLE, NULL,
     "Time for a server to answer the end of a stream."},
    {SECTION_UPSTREAM, "keepalive", CONFIG_MS, AT(upstream.keepalive_ms), 0,
     86400000, "300s", CONFIG_RELOADABLE, NULL,
     "After so much silence of a logged-in client a space goes to its "
     "server, so that nobody on the way forgets the connection; 0s: never."},
    {SECTION_UPSTREAM, "strip_plain", CONFIG_BOOL, AT(upstream.strip_plain), 0,
     0, "no", CONFIG_RELOADABLE, NULL,
     "Whether the mechanism PLAIN is taken out of what a server offers to "
     "clients that are connected without encryption."},
    {SECTION_UPSTREAM, "stanza_max", CONFIG_BYTES,
     AT(upstream.stanza_max_bytes), 65536, 16777216, "2M", CONFIG_RELOADABLE,
     NULL,
     "Largest element that a server may send after login, such as a roster; the"
     " client gets an empty one with policy-violation instead of a larger one."
     " Before login at most 256k."},
    {SECTION_UPSTREAM, "queue_max", CONFIG_BYTES, AT(upstream.queue_max_bytes),
     65536, 67108864, "512k", CONFIG_RELOADABLE, NULL,
     "Bytes that may wait for one server's connection; at half of it the "
     "client is not read any more, and a stanza of any size fits below that."},
    {SECTION_UPSTREAM, "ca_file", CONFIG_TEXT, AT(upstream.ca_file), 0, 4095,
     "", CONFIG_RELOADABLE, NULL,
     "PEM file with the only trusted roots.  When it is empty: the "
     "system's.  Both are read when doab starts."},
    {SECTION_UPSTREAM, "tls_sessions_max", CONFIG_COUNT,
     AT(upstream.tls_sessions_max), 0, 100000, "1000", CONFIG_RELOADABLE, NULL,
     "TLS sessions that each worker keeps for resumption; 0: every handshake "
     "is a full one."},
    {SECTION_LIMITS, "workers", CONFIG_COUNT, AT(limits.workers), 0, 32, "0",
     CONFIG_FIXED, NULL,
     "Threads that serve clients, each with sessions and connections of its "
     "own; 0: one for each core that doab may use, up to 4."},
    {SECTION_LIMITS, "body_max", CONFIG_BYTES, AT(limits.body_max_bytes), 10000,
     16777216, "256k", CONFIG_RELOADABLE, NULL,
     "Largest body of an HTTP request; beyond it 413."},
    {SECTION_LIMITS, "stanza_max", CONFIG_BYTES, AT(limits.stanza_max_bytes),
     10000, 16777216, "256k", CONFIG_RELOADABLE, NULL,
     "Largest stanza in either direction, after login."},
    {SECTION_LIMITS, "stanza_max_unauthenticated", CONFIG_BYTES,
     AT(limits.stanza_max_unauthenticated_bytes), 1024, 16777216, "10000",
     CONFIG_RELOADABLE, NULL,
     "Largest element before login, and all of what a client sends early and "
     "that waits for its login."},
    {SECTION_LIMITS, "stanza_max_login", CONFIG_BYTES,
     AT(limits.stanza_max_login_bytes), 1024, 16777216, "64k",
     CONFIG_RELOADABLE, NULL,
     "Largest element of a login or a registration once the server has sent "
     "its features: a token, a form with an image."},
    {SECTION_LIMITS, "queue_max", CONFIG_BYTES, AT(limits.queue_max_bytes),
     20000, 67108864, "512k", CONFIG_RELOADABLE, NULL,
     "Bytes of stanzas that may wait for one client; at half of it the "
     "server is not read any more, and an element of any size fits below "
     "that."},
    {SECTION_LIMITS, "sessions_max", CONFIG_COUNT, AT(limits.sessions_max), 1,
     1000000, "20000", CONFIG_RELOADABLE, NULL,
     "Sessions of both kinds, those of all workers together; beyond it 503."},
    {SECTION_LIMITS, "connections_max", CONFIG_COUNT,
     AT(limits.connections_max), 10, 1000000, "50000", CONFIG_RELOADABLE, NULL,
     "Connections of clients, WebSockets as well, of all workers together; "
     "beyond it none is accepted."},
    {SECTION_LIMITS, "authenticate_timeout", CONFIG_MS,
     AT(limits.authenticate_ms), 1000, 3600000, "120s", CONFIG_RELOADABLE, NULL,
     "Time from opening a session to its login; what waits for a login waits "
     "no longer."},
    {SECTION_LIMITS, "drain_timeout", CONFIG_MS, AT(limits.drain_ms), 0,
     3600000, "6s", CONFIG_RELOADABLE, NULL,
     "How long SIGTERM waits for sessions to end; longer than "
     "websocket.close_timeout lets every client say goodbye."},
    {SECTION_PAGES, "directory", CONFIG_TEXT, AT(pages.directory), 0, 4095, "",
     CONFIG_FIXED, NULL,
     "Directory of static files that are shown at /.  They are read "
     "once, at start.  When it is empty: a built-in landing page."},
    {SECTION_LOG, "level", CONFIG_ENUM, AT(log.level), 0, 0, "info",
     CONFIG_RELOADABLE, levels,
     "The least important lines that are written: error, warn, info, "
     "debug or trace."},
    {SECTION_LOG, "format", CONFIG_ENUM, AT(log.format), 0, 0, "text",
     CONFIG_RELOADABLE, formats,
     "text: with time and level; journald: with the level as systemd "
     "reads it."},
};

const size_t config_n_keys = COUNT_OF(config_keys);

_Static_assert(COUNT_OF(config_keys) <= CONFIG_KEYS_MAX, "marks is short");

const char *config_section_name(enum config_section section)
{
    return sections[section].name;
}

bool config_section_is_titled(enum config_section section)
{
    return sections[section].is_titled;
}

bool config_section_find(const char *name, enum config_section *out)
{
    for (unsigned i = 0; i < SECTION_COUNT; i++) {
        if (strcmp(sections[i].name, name) != 0)
            continue;
        *out = i;
        return true;
    }
    return false;
}

const struct config_key *config_key_find(enum config_section section,
                                         const char *name)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (config_keys[i].section == section &&
            strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}
