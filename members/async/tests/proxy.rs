//! A host that forwards connections.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::task::JoinSet;
use virtnet::pipenet::{Conn, Host, Listener};

use crate::support::{assert_all_ports_free, ends, host, on_each_network, pattern};

const CLIENTS: usize = 5;
const LARGE: usize = 200_000;

/// Forwards each connection to an address, and returns the number of bytes in each direction.
async fn pass_on(listener: Listener, host: Host, to: &'static str) -> Vec<(u64, u64)> {
    let mut passing = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut near = listener.accept().await.unwrap();
        let mut far = host.dial(to).await.unwrap();
        passing.spawn(async move { copy_bidirectional(&mut near, &mut far).await.unwrap() });
    }
    passing.join_all().await
}

/// Reads to the end, then answers with the client's address and its bytes.
async fn answer(mut conn: Conn) {
    let mut question = Vec::new();
    conn.read_to_end(&mut question).await.unwrap();
    let [at, from] = ends(&conn);
    conn.write_all(format!("{from} at {at}: ").as_bytes()).await.unwrap();
    conn.write_all(&question).await.unwrap();
}

#[test]
fn a_proxy_passes_on_both_ways_and_half_closes() {
    on_each_network(|net| async move {
        let (client, proxy, server) = (host(&net, "client"), host(&net, "proxy"), host(&net, "server"));
        let listener = server.listen(":80").unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for _ in 0..CLIENTS {
                connections.spawn(answer(listener.accept().await.unwrap()));
            }
            connections.join_all().await
        });
        let passing = tokio::spawn(pass_on(proxy.listen(":3128").unwrap(), proxy.clone(), "server:80"));

        // The clients connect one after the other, so that the order of connections is known, and then run
        // concurrently.
        let mut conns = Vec::new();
        for _ in 0..CLIENTS {
            conns.push(client.dial("proxy:3128").await.unwrap());
        }
        let asking: JoinSet<_> = conns
            .into_iter()
            .enumerate()
            .map(|(i, mut conn)| async move {
                // A proxied connection uses two ports of the proxy.
                assert_eq!(ends(&conn), [format!("client:{}", i + 1), format!("proxy:{}", 2 * i + 1)]);
                let question = pattern(LARGE);
                conn.write_all(&question).await.unwrap();
                conn.shutdown().await.unwrap();
                let mut answer = Vec::new();
                conn.read_to_end(&mut answer).await.unwrap();
                let head = format!("proxy:{} at server:{}: ", 2 * i + 2, i + 1);
                assert_eq!(String::from_utf8_lossy(&answer[..head.len()]), head);
                assert!(answer[head.len()..] == question, "what was asked is not what came back");
            })
            .collect();
        asking.join_all().await;
        assert_eq!(serving.await.unwrap().len(), CLIENTS);
        let sent = LARGE as u64;
        let answered = sent + "proxy:2 at server:1: ".len() as u64;
        let mut passed = passing.await.unwrap();
        passed.sort_unstable();
        // The port of the last one has two digits.
        let expected = [answered, answered, answered, answered, answered + 1].map(|answered| (sent, answered));
        assert_eq!(passed, expected);
        assert_all_ports_free(&[&client, &proxy, &server]);
    });
}

#[test]
fn a_proxy_ends_when_the_server_is_gone() {
    on_each_network(|net| async move {
        let (client, proxy, server) = (host(&net, "client"), host(&net, "proxy"), host(&net, "server"));
        let (at_server, at_proxy) = (server.listen(":80").unwrap(), proxy.listen(":80").unwrap());
        let passing = tokio::spawn({
            let proxy = proxy.clone();
            async move {
                let mut near = at_proxy.accept().await.unwrap();
                let mut far = proxy.dial("server:80").await.unwrap();
                copy_bidirectional(&mut near, &mut far).await.unwrap_err().to_string()
            }
        });
        let (conn, accepted) = tokio::try_join!(client.dial("proxy:80"), at_server.accept()).unwrap();
        accepted.abort();
        assert_eq!(passing.await.unwrap(), "read pipet server:1->proxy:2: connection reset");
        drop((conn, accepted, at_server));
        assert_all_ports_free(&[&client, &proxy, &server]);
    });
}
