/*
 * gloox over BOSH:
 *
 *     gloox_bosh PORT PATH MODE JID PASSWORD PEER
 *
 * MODE is legacy (HTTP/1.0, a connection for each request), persistent or
 * pipelining.  Logs in, says "hello from gloox" to PEER, prints what it is
 * told, and logs out when it is told "bye".  Lines on stdout: `online`,
 * `got TEXT`, `offline`, or `error NUMBER`.  The exit status is 0 after an
 * orderly end.
 */

#include <gloox/client.h>
#include <gloox/connectionbosh.h>
#include <gloox/connectionlistener.h>
#include <gloox/connectiontcpclient.h>
#include <gloox/disco.h>
#include <gloox/loghandler.h>
#include <gloox/message.h>
#include <gloox/messagehandler.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace
{

const int HANG_S = 60;

class Run : public gloox::ConnectionListener,
            public gloox::MessageHandler,
            public gloox::LogHandler
{
  public:
    Run(gloox::Client &client, const std::string &peer)
        : client_(client), peer_(peer)
    {
        client_.registerConnectionListener(this);
        client_.registerMessageHandler(this);
        if (std::getenv("GLOOX_BOSH_DEBUG"))
            client_.logInstance().registerLogHandler(gloox::LogLevelDebug,
                                                     gloox::LogAreaAll, this);
    }

    void onConnect() override
    {
        std::puts("online");
        gloox::Message hello(gloox::Message::Chat, gloox::JID(peer_),
                             "hello from gloox");
        client_.send(hello);
    }

    /* gloox says this twice, and at first that nothing was wrong. */
    void onDisconnect(gloox::ConnectionError error) override
    {
        ended = true;
        if (error != gloox::ConnUserDisconnected)
            fault = error;
    }

    bool onTLSConnect(const gloox::CertInfo &) override
    {
        return false;
    }

    void handleMessage(const gloox::Message &message,
                       gloox::MessageSession *) override
    {
        if (message.body().empty())
            return;
        std::printf("got %s\n", message.body().c_str());
        said_bye = said_bye || message.body() == "bye";
    }

    void handleLog(gloox::LogLevel, gloox::LogArea area,
                   const std::string &text) override
    {
        std::fprintf(stderr, "%d: %s\n", static_cast<int>(area), text.c_str());
    }

    bool ended = false;
    gloox::ConnectionError fault = gloox::ConnNoError;
    bool said_bye = false;

  private:
    gloox::Client &client_;
    std::string peer_;
};

gloox::ConnectionBOSH::ConnMode mode_of(const char *name)
{
    if (std::strcmp(name, "legacy") == 0)
        return gloox::ConnectionBOSH::ModeLegacyHTTP;
    if (std::strcmp(name, "persistent") == 0)
        return gloox::ConnectionBOSH::ModePersistentHTTP;
    if (std::strcmp(name, "pipelining") == 0)
        return gloox::ConnectionBOSH::ModePipelining;
    std::exit(64);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 7)
        return 64;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);

    gloox::JID jid(argv[4]);
    gloox::Client client(jid, argv[5]);
    client.setTls(gloox::TLSDisabled);
    client.setCompression(false);
    Run run(client, argv[6]);

    auto *tcp = new gloox::ConnectionTCPClient(client.logInstance(),
                                               "127.0.0.1", std::atoi(argv[1]));
    auto *bosh = new gloox::ConnectionBOSH(&client, tcp, client.logInstance(),
                                           "127.0.0.1", jid.server());
    bosh->setPath(argv[2]);
    bosh->setMode(mode_of(argv[3]));
    client.setConnectionImpl(bosh);

    if (!client.connect(false))
        return 1;
    const std::time_t begun = std::time(nullptr);
    gloox::ConnectionError state = gloox::ConnNoError;
    while (state == gloox::ConnNoError && !run.said_bye) {
        state = client.recv(100000);
        if (std::time(nullptr) - begun > HANG_S) {
            std::puts("error nothing happens any more");
            return 2;
        }
    }
    if (run.said_bye)
        client.disconnect();
    if (run.ended && run.said_bye && run.fault == gloox::ConnNoError) {
        std::puts("offline");
        return 0;
    }
    std::printf("error %d, stream error %d, login error %d\n",
                static_cast<int>(run.fault),
                static_cast<int>(client.streamError()),
                static_cast<int>(client.authError()));
    return 1;
}
