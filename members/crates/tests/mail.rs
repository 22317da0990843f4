//! imap: a blocking client, on a thread.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use imap::Client;
use imap::types::{Flag, Mailbox};
use virtnet::Clock;
use virtnet::clock::Time;
use virtnet::pipenet::Network;
use virtnet::sim::Faults;

use crate::support::{assert_all_ports_free, ends, on_thread};

const MAIL: &str = "From: ann\r\nSubject: ports\r\n\r\nThey start at 1.\r\n";

/// Serves one client on host `mail`, with the reply to each line that it must send, and closes the connection.
fn serve(net: &Network, script: Vec<(&'static str, String)>) -> thread::JoinHandle<io::Result<()>> {
    let listener = net.host("mail").unwrap().listen(":143").unwrap();
    thread::spawn(move || {
        let mut conn = BufReader::new(listener.accept().wait()?);
        assert_eq!(ends(conn.get_ref()), ["mail:1", "user:1"]);
        conn.get_mut().write_all(b"* OK ready\r\n")?;
        for (expected, reply) in script {
            let mut line = String::new();
            conn.read_line(&mut line)?;
            assert_eq!(line, format!("{expected}\r\n"));
            conn.get_mut().write_all(reply.as_bytes())?;
        }
        Ok(())
    })
}

#[test]
fn a_client_logs_in_and_fetches_mail() {
    on_thread(|net| {
        let fetched = format!("* 2 FETCH (FLAGS (\\Seen) RFC822 {{{}}}\r\n{MAIL})\r\na4 OK done\r\n", MAIL.len());
        let server = serve(
            &net,
            vec![
                (r#"a1 LOGIN "ann" "a \"secret\"""#, "a1 OK hello\r\n".into()),
                (r#"a2 SELECT "INBOX""#, "* 3 EXISTS\r\n* 1 RECENT\r\n* OK [UNSEEN 3] one\r\na2 OK done\r\n".into()),
                ("a3 SEARCH SUBJECT ports", "* SEARCH 2 3\r\na3 OK done\r\n".into()),
                ("a4 FETCH 2 (FLAGS RFC822)", fetched),
                ("a5 FETCH 9 RFC822", "a5 NO there are 3\r\n".into()),
                ("a6 LOGOUT", "* BYE ann\r\na6 OK done\r\n".into()),
            ],
        );
        let user = net.host("user").unwrap();
        let conn = user.dial("mail:143").wait().unwrap();
        assert_eq!(ends(&conn), ["user:1", "mail:1"]);
        let mut client = Client::new(conn);
        assert_eq!(client.read_greeting().unwrap(), b"* OK ready\r\n");
        let mut session = client.login("ann", "a \"secret\"").map_err(|(error, _)| error).unwrap();
        let mut inbox = Mailbox::default();
        (inbox.exists, inbox.recent, inbox.unseen) = (3, 1, Some(3));
        assert_eq!(session.select("INBOX").unwrap(), inbox);
        assert_eq!(session.search("SUBJECT ports").unwrap(), HashSet::from([2, 3]));
        let mails = session.fetch("2", "(FLAGS RFC822)").unwrap();
        let mails: Vec<_> = mails.iter().map(|mail| (mail.message, mail.flags(), mail.body())).collect();
        assert_eq!(mails, [(2, &[Flag::Seen][..], Some(MAIL.as_bytes()))]);
        let error = session.fetch("9", "RFC822").map(drop).unwrap_err();
        assert_eq!(error.to_string(), "No Response: there are 3");
        session.logout().unwrap();
        drop(session);
        server.join().unwrap().unwrap();
        assert_all_ports_free(&[&net.get_host("mail").unwrap(), &user]);
    });
}

#[test]
fn a_server_that_closes_is_a_lost_connection() {
    on_thread(|net| {
        let server = serve(&net, vec![(r#"a1 LOGIN "ann" "x""#, "* OK wait\r\n".into())]);
        let mut client = Client::new(net.host("user").unwrap().dial("mail:143").wait().unwrap());
        client.read_greeting().unwrap();
        let (error, _client) = client.login("ann", "x").unwrap_err();
        assert_eq!(error.to_string(), "Connection Lost");
        server.join().unwrap().unwrap();
    });
}

#[test]
fn a_silent_server_is_a_read_timeout() {
    on_thread(|net| {
        let (mail, user) = (net.host("mail").unwrap(), net.host("user").unwrap());
        let listener = mail.listen(":143").unwrap();
        let server = thread::spawn(move || listener.accept().wait());
        let conn = user.dial("mail:143").wait().unwrap();
        let _silent = server.join().unwrap().unwrap();
        conn.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let imap::Error::Io(error) = Client::new(conn).read_greeting().unwrap_err() else { panic!("another error") };
        let kind = if cfg!(windows) { ErrorKind::TimedOut } else { ErrorKind::WouldBlock };
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, "read pipet mail:1->user:1: timed out"));
    });
}

#[test]
fn a_client_gives_up_on_a_broken_link_and_comes_back() {
    const MS: Duration = Duration::from_millis(1);

    on_thread(|_| {
        let clock = Clock::auto();
        let _me = clock.enter();
        let faults = Faults::new().clock(clock.clone());
        let net = Network::builder("t").layer(faults.clone()).build().unwrap();
        let (mail, user) = (net.host("mail").unwrap(), net.host("user").unwrap());
        faults.route("mail", "user").latency(50 * MS);
        let listener = mail.listen(":143").unwrap();
        // Serves two clients, one after the other, and agrees to all.
        let server = clock.spawn(move || -> io::Result<Vec<String>> {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let mut conn = BufReader::new(listener.accept().wait()?);
                conn.get_mut().write_all(b"* OK ready\r\n")?;
                let mut line = String::new();
                while conn.read_line(&mut line)? > 0 {
                    let (tag, command) = line.trim_end().split_once(' ').expect("it has a tag");
                    seen.push(command.into());
                    // The client may be gone.
                    let _ = conn.get_mut().write_all(format!("{tag} OK done\r\n").as_bytes());
                    line.clear();
                }
            }
            Ok(seen)
        });
        let now = || clock.now() - Time::ZERO;
        let login = || {
            let conn = user.dial("mail:143").wait().unwrap();
            conn.set_read_timeout(Some(1000 * MS)).unwrap();
            let mut client = Client::new(conn);
            assert_eq!(client.read_greeting().unwrap(), b"* OK ready\r\n");
            client.login("ann", "x").map_err(|(error, _)| error).unwrap()
        };

        // The dial and the command take a round trip each; the greeting arrives with the answer to the dial.
        let mut session = login();
        assert_eq!(now(), 200 * MS);
        faults.route("mail", "user").partition();
        let imap::Error::Io(error) = session.noop().map(drop).unwrap_err() else { panic!("another error") };
        assert_eq!((error.to_string().as_str(), now()), ("read pipet mail:1->user:1: timed out", 1200 * MS));

        drop(session);
        faults.route("mail", "user").repair();
        let mut session = login();
        assert_eq!(now(), 1400 * MS);
        session.logout().unwrap();
        assert_eq!(now(), 1500 * MS);
        drop(session);
        // The command of the first session has arrived, and after it the end of the stream.
        let login = r#"LOGIN "ann" "x""#;
        assert_eq!(server.join().unwrap().unwrap(), [login, "NOOP", login, "LOGOUT"]);
        assert_eq!((user.sockets(), clock.timers()), (0, Ok(0)));
    });
}
