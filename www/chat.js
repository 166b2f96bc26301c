/*
 * One chat room by Converse.js, over the transport that the address names:
 *
 *     chat.html?transport=bosh|websocket&domain=…&room=…&nickname=…
 *
 * Login is anonymous: the domain must offer that.
 */

const query = new URLSearchParams(location.search);
const transport = query.get('transport') === 'bosh' ? 'bosh' : 'websocket';
const domain = query.get('domain') || 'anon.localhost';
const room = query.get('room') || `lobby@conference.${domain}`;

/* A name that survives a reload of this tab, and differs from tab to tab. */
function nickname() {
    const asked = query.get('nickname');
    if (asked) return asked;
    const key = `doab-nickname-${transport}`;
    const known = sessionStorage.getItem(key);
    if (known) return known;
    const fresh =
        `${transport === 'bosh' ? 'river' : 'bank'}-` +
        Math.floor(Math.random() * 10000);
    sessionStorage.setItem(key, fresh);
    return fresh;
}

/* The other transport, in the same room. */
function link(kind) {
    const other = new URLSearchParams(query);
    other.set('transport', kind);
    other.delete('nickname');
    const a = document.getElementById(kind);
    a.href = `?${other}`;
    if (kind === transport) a.setAttribute('aria-current', 'page');
}

link('bosh');
link('websocket');
document.getElementById('where').textContent = room;

const urls =
    transport === 'bosh'
        ? { bosh_service_url: new URL('http-bind', location.href).href }
        : {
              websocket_url: new URL(
                  'xmpp-websocket',
                  location.href,
              ).href.replace(/^http/, 'ws'),
          };

/* An anonymous user who was cut off comes back as somebody else, whom Converse
 * takes to no room by itself. */
const rejoin = {
    initialize() {
        const { api } = this._converse;
        api.listen.on('reconnected', () =>
            api.rooms.open(room, { nick: nickname() }, true),
        );
    },
};

try {
    await import('./dist/converse.min.js');
    window.converse.plugins.add('rejoin', rejoin);
    await window.converse.initialize({
        whitelisted_plugins: ['rejoin'],
        ...urls,
        assets_path: new URL('dist', location.href).pathname,
        authentication: 'anonymous',
        auto_login: true,
        auto_reconnect: true,
        jid: domain,
        keepalive: true,
        discover_connection_methods: false,
        auto_join_rooms: [{ jid: room, nick: nickname() }],
        muc_domain: `conference.${domain}`,
        view_mode: 'embedded',
        singleton: true,
        theme: 'classic',
        dark_theme: 'dracula',
        /* An anonymous account ends with its stream, so there is nothing to
         * resume: a server that kept it would only keep the nickname. */
        enable_smacks: false,
        /* End-to-end encryption needs an account that lasts; it would only
         * fetch its libraries in vain. */
        blacklisted_plugins: ['converse-omemo', 'converse-omemo-views'],
        allow_message_styling: true,
        notify_all_room_messages: false,
        play_sounds: false,
    });
} catch (error) {
    const notice = document.createElement('p');
    notice.className = 'notice';
    notice.textContent = `The chat could not start: ${error.message}`;
    document.getElementById('room').append(notice);
}
