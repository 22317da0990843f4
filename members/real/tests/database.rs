//! A real PostgreSQL as `db:5432` and a real Redis as `cache:6379`, used by virtual hosts.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, AsyncTypedCommands, RedisConnectionInfo};
use tokio_postgres::{Client, Config, NoTls};
use virtnet::bridge::TokioBridge;
use virtnet::pipenet::{Host, Network};
use virtnet::{Networker, TokioTcp};

use crate::server::Server;
use crate::{all_closed, run};

/// A bridge from a port of a virtual host to a real server.
fn bridge(net: &Network, host: &str, port: u16, server: &Server) -> TokioBridge {
    let listener = Networker::listen(&net.host(host).unwrap(), port).unwrap();
    TokioBridge::start(listener, TokioTcp::new("127.0.0.1").unwrap(), server.addr()).unwrap()
}

async fn postgres(host: &Host) -> Client {
    let conn = host.dial("db:5432").await.unwrap();
    let (client, connection) =
        Config::new().user("postgres").dbname("postgres").connect_raw(conn, NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    client
}

async fn redis(host: &Host) -> MultiplexedConnection {
    let conn = host.dial("cache:6379").await.unwrap();
    let (info, config) = (RedisConnectionInfo::default(), AsyncConnectionConfig::new());
    let (client, connection) = MultiplexedConnection::new_with_config(&info, conn, config).await.unwrap();
    tokio::spawn(connection);
    client
}

#[test]
fn two_virtual_hosts_share_a_real_postgresql() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let net = Network::new("lab");
        let bridge = bridge(&net, "db", 5432, &server);
        assert_eq!(bridge.local_addr(), "db:5432");
        let (shop, report) = (net.host("shop").unwrap(), net.host("report").unwrap());
        let (shop, report) = (postgres(&shop).await, postgres(&report).await);

        shop.batch_execute("CREATE TABLE sale (item TEXT, price INT)").await.unwrap();
        let insert = shop.prepare("INSERT INTO sale VALUES ($1, $2)").await.unwrap();
        for (item, price) in [("tea", 3), ("cake", 4)] {
            assert_eq!(shop.execute(&insert, &[&item, &price]).await.unwrap(), 1);
        }
        // More than all buffers on the way.
        let long = "x".repeat(1 << 20);
        assert_eq!(shop.execute(&insert, &[&long, &5]).await.unwrap(), 1);
        let row = report.query_one("SELECT SUM(price), MAX(item) FROM sale", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 12);
        assert!(row.get::<_, &str>(1) == long, "the long text came back as another");
        assert_eq!((bridge.counts().open, bridge.counts().total), (2, 2));

        drop((shop, report));
        assert_eq!(all_closed(&bridge).await, (2, 0));
        bridge.stop().await;
        // The server ends only once all its clients have left.
        drop(server);
    });
}

#[test]
fn two_virtual_hosts_share_a_real_redis() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let net = Network::new("lab");
        let bridge = bridge(&net, "cache", 6379, &server);
        assert_eq!(bridge.local_addr(), "cache:6379");
        let (shop, report) = (net.host("shop").unwrap(), net.host("report").unwrap());
        let (mut shop, mut report) = (redis(&shop).await, redis(&report).await);

        let long = "x".repeat(1 << 20);
        shop.set("motto", &long).await.unwrap();
        assert_eq!(shop.incr("visits", 2).await.unwrap(), 2);
        assert_eq!(report.incr("visits", 1).await.unwrap(), 3);
        assert!(report.get("motto").await.unwrap().as_ref() == Some(&long), "the long text came back as another");
        assert_eq!((bridge.counts().open, bridge.counts().total), (2, 2));

        drop((shop, report));
        assert_eq!(all_closed(&bridge).await, (2, 0));
        bridge.stop().await;
    });
}

#[test]
fn a_server_that_ends_ends_the_connections_of_virtual_hosts() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let net = Network::new("lab");
        let bridge = bridge(&net, "cache", 6379, &server);
        let mut client = redis(&net.host("shop").unwrap()).await;
        assert_eq!(client.incr("visits", 1).await.unwrap(), 1);
        drop(server);
        assert!(client.incr("visits", 1).await.unwrap_err().is_io_error());
        drop(client);
        assert_eq!(all_closed(&bridge).await, (1, 0));
    });
}
