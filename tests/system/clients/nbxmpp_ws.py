#!/usr/bin/python3
"""nbxmpp over WebSocket, told by lines on standard input what to do.

    nbxmpp_ws.py URL JID PASSWORD

Prints a line for each thing that happens: "online JID", "resumed JID",
"got BODY", "lost", "offline", "error WHAT".  Understands "say JID BODY" and
"close"; a connection that is lost otherwise is made again, and the stream
resumed.
"""

import os
import sys

import gi

gi.require_version('Soup', '3.0')

from gi.repository import GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType
from nbxmpp.protocol import JID, Message, Presence
from nbxmpp.structs import StanzaHandler

RETRY_MS = 200


def tell(*words):
    print(*words, flush=True)


class Talker:
    def __init__(self, url, address, password):
        jid = JID.from_string(address)
        self.loop = GLib.MainLoop()
        self.closing = False
        self.code = 0
        self.rest = b''
        self.client = Client(log_context=address)
        self.client.set_domain(jid.domain)
        self.client.set_username(jid.localpart)
        self.client.set_resource(jid.resource)
        self.client.set_password(password)
        self.client.set_connection_types([ConnectionType.PLAIN])
        self.client.set_protocols([ConnectionProtocol.WEBSOCKET])
        self.client.set_custom_host(url, ConnectionProtocol.WEBSOCKET,
                                    ConnectionType.PLAIN)
        for name in ('connected', 'resume-successful', 'resume-failed',
                     'disconnected', 'connection-failed'):
            handler = getattr(self, 'on_' + name.replace('-', '_'))
            self.client.subscribe(name, handler)
        self.client.register_handler(
            StanzaHandler(name='message', callback=self.on_message))

    def run(self):
        GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT,
                          GLib.IO_IN | GLib.IO_HUP, self.on_input)
        self.client.connect()
        self.loop.run()
        return self.code

    def jid(self):
        return str(self.client.get_bound_jid())

    def on_connected(self, _client, _signal):
        self.client.send_stanza(Presence())
        tell('online', self.jid())

    def on_resume_successful(self, _client, _signal):
        tell('resumed', self.jid())

    def on_resume_failed(self, _client, _signal):
        tell('error resume-failed')

    def on_disconnected(self, _client, _signal):
        error = self.client.get_error()
        if self.closing or not self.client.resumeable:
            self.code = 0 if self.closing else 1
            tell('offline' if self.closing else f'error {error[1]}')
            self.loop.quit()
            return
        tell('lost')
        GLib.timeout_add(RETRY_MS, self.again)

    def on_connection_failed(self, _client, _signal):
        GLib.timeout_add(RETRY_MS, self.again)

    def again(self):
        self.client.connect()
        return GLib.SOURCE_REMOVE

    def on_message(self, _client, stanza, _properties):
        if stanza.getBody():
            tell('got', stanza.getBody())

    def on_input(self, fd, _condition):
        bytes_read = os.read(fd, 65536)
        *lines, self.rest = (self.rest + bytes_read).split(b'\n')
        for line in lines:
            self.on_line(line.decode().split(' ', 2))
        if not bytes_read:
            self.on_line(['close'])
            return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    def on_line(self, words):
        if words[0] == 'say':
            message = Message(to=words[1], body=words[2], typ='chat')
            self.client.send_stanza(message)
        elif words[0] == 'close' and not self.closing:
            self.closing = True
            self.client.disconnect()


sys.exit(Talker(*sys.argv[1:]).run())
