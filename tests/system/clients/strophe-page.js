/*
 * In the page: one connection of whichever Strophe.js was loaded before this.
 * The test calls these from outside, so all that goes in or out is text.
 * The page's address may name the service and Strophe's options.
 */

/* global Strophe, $msg, $pres */

const query = new URLSearchParams(location.search);

const client = {
    conn: new Strophe.Connection(
        query.get('service') || '/http-bind',
        JSON.parse(query.get('options') || '{}'),
    ),
    states: [],
    messages: [],

    onStatus(status, condition) {
        const [name] = Object.entries(Strophe.Status).find(
            ([, number]) => number === status,
        );
        client.states.push(condition ? `${name}: ${condition}` : name);
    },

    jid() {
        return client.conn.jid;
    },

    listen() {
        client.conn.addHandler(
            (message) => {
                client.messages.push({
                    from: message.getAttribute('from'),
                    body: message.getElementsByTagName('body')[0]?.textContent,
                });
                return true;
            },
            null,
            'message',
        );
    },

    login(jid, password) {
        client.conn.connect(jid, password, client.onStatus);
        client.listen();
    },

    attach(jid, sid, rid) {
        client.conn.attach(jid, sid, rid, client.onStatus);
        client.listen();
    },

    resumed() {
        return client.conn.hasResumed();
    },

    present() {
        client.conn.send($pres());
        client.conn.flush();
    },

    say(to, bodies) {
        for (const body of bodies)
            client.conn.send($msg({ to, type: 'chat' }).c('body').t(body));
        client.conn.flush();
    },

    close() {
        client.conn.disconnect('bye');
    },
};

window.client = client;
