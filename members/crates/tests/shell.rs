//! russh: a command over SSH.

use std::sync::Arc;

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKeyOrCertificate};
use russh::server::{Auth, ChannelOpenHandle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, Disconnect, client, server};
use virtnet::pipenet::Network;

use crate::support::{assert_all_ports_free, ends, on_each_runtime};

/// The size of what a command prints: more than the buffer of the connection.
const LARGE: usize = 300_000;

/// Prints the command over and over, and fails with status 3.
struct Shell;

impl server::Handler for Shell {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let known = (user, password) == ("ann", "secret");
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        session.data(channel, printed(command))?;
        session.exit_status_request(channel, 3)?;
        session.eof(channel)?;
        session.close(channel)
    }
}

/// A client that knows the server's key.
struct Client(PrivateKey);

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(matches!(key, PublicKeyOrCertificate::PublicKey { key, .. } if key == self.0.public_key()))
    }
}

/// The output of a command.
fn printed(command: &[u8]) -> Vec<u8> {
    command.iter().copied().cycle().take(LARGE).collect()
}

#[test]
fn a_command_runs_on_a_host() {
    on_each_runtime(&Network::builder("t"), |net| async move {
        let (near, far) = (net.host("near").unwrap(), net.host("far").unwrap());
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let listener = far.listen(":22").unwrap();
        let config = server::Config { keys: vec![key.clone()], ..server::Config::default() };
        let serving = tokio::spawn(async move {
            let conn = listener.accept().await.unwrap();
            assert_eq!(ends(&conn), ["far:1", "near:1"]);
            server::run_stream(config.into(), conn, Shell).await.unwrap().await
        });

        let conn = near.dial("far:22").await.unwrap();
        assert_eq!(ends(&conn), ["near:1", "far:1"]);
        let mut session = client::connect_stream(Arc::default(), conn, Client(key)).await.unwrap();
        assert!(session.authenticate_password("ann", "secret").await.unwrap().success());
        let mut channel = session.channel_open_session().await.unwrap();
        channel.exec(true, "ls").await.unwrap();
        let (mut output, mut status) = (Vec::new(), None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
        }
        assert_eq!(status, Some(3));
        assert!(output == printed(b"ls"), "the output is not that of the command");

        session.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
        assert!(matches!(session.await, Err(russh::Error::Disconnect)));
        serving.await.unwrap().unwrap();
        assert_all_ports_free(&[&near, &far]);
    });
}
