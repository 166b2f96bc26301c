/*
 * In the page: Converse.js with the settings that its address holds.
 */

const query = new URLSearchParams(location.search);

await import('./dist/converse.min.js');

/* What a test needs of the inside. */
window.converse.plugins.add('inside', {
    initialize() {
        const { api } = this._converse;
        window.inside = api;
        api.listen.on('statusInitialized', () => {
            api.present = true;
        });
    },
});
await window.converse.initialize({
    whitelisted_plugins: ['inside'],
    assets_path: '/dist',
    auto_login: true,
    discover_connection_methods: false,
    allow_non_roster_messaging: true,
    blacklisted_plugins: ['converse-omemo', 'converse-omemo-views'],
    view_mode: 'overlayed',
    play_sounds: false,
    ...JSON.parse(query.get('settings')),
});
